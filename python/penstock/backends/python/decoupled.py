# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance of a decoupled Python model: its requests are answered by response senders."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock import _engine

from .instance import BadReturnError, PythonInstance
from .loops import BackgroundLoop
from .pb_utils import Tensor
from .pb_utils.calls import Caller
from .pb_utils.request import DecoupledRequest
from .pb_utils.response import NoReplies, ReplyStream

if TYPE_CHECKING:
    from penstock._engine import Batch

_log = logging.getLogger(__name__)

Replies = ReplyStream | NoReplies


class DecoupledInstance(PythonInstance):
    """Calls `execute`, which may send responses at once, later, and from other threads.

    A coroutine runs in the background: the next batch does not wait for it.
    """

    def __init__(
        self,
        model_class: Any,
        name: str,
        code_dirs: tuple[Path, ...],
        args: dict[str, str],
        caller: Caller | None = None,
    ) -> None:
        super().__init__(model_class, name, code_dirs, args, caller)
        self._caller.serving = True  # also what runs when `execute` is over may call
        self._background: BackgroundLoop | None = None

    def execute(self, batch: Batch) -> None:
        """Hands the batch to the model. What that raises ends the requests that are still open."""
        requests = _engine.model_requests(batch, DecoupledRequest, Tensor)
        replies = [self._replies_to(responder) for responder in _engine.responders(batch)]
        for request, reply in zip(requests, replies, strict=True):
            request._reply = reply
        try:
            returned = self._model.execute(requests)
            if inspect.iscoroutine(returned):
                self._start(self._watch(returned, replies))
            else:
                self._check(returned)
                self._reschedule_open(batch, requests, replies)
        except BaseException as error:  # the model's own code
            self._fail_open(replies, error)
        batch.mark_exec_end()
        for request in requests:
            request._outlive_batch()

    def finalize(self) -> None:
        """Ends what runs in the background, then the model."""
        if self._background is not None:
            self._background.close()
        self._caller.serving = False
        super().finalize()

    def _replies_to(self, responder: _engine.ModelResponder | None) -> Replies:
        return NoReplies() if responder is None else ReplyStream(responder, self._verdict)

    def _reschedule_open(
        self, batch: Batch, requests: list[DecoupledRequest], replies: list[Replies]
    ) -> None:
        """S-31: also what has sent responses, as long as none was the final one."""
        for index, (request, reply) in enumerate(zip(requests, replies, strict=True)):
            if request._rescheduled:
                reply.reschedule(batch, index)

    async def _watch(self, coroutine: Coroutine[Any, Any, Any], replies: list[Replies]) -> None:
        try:
            self._check(await coroutine)
        except BaseException as error:
            self._fail_open(replies, error)

    def _check(self, returned: object) -> None:
        if returned is not None:
            raise BadReturnError(
                f"Python model '{self._name}' is using the decoupled mode and the execute "
                f"function must return None."
            )

    def _fail_open(self, replies: Sequence[Replies], error: BaseException) -> None:
        _log.error("%s", self._verdict(error)[1])
        for reply in replies:
            reply.fail(error)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self._background is None:
            self._background = BackgroundLoop(self._name)
        self._background.start(coroutine)
