# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance of a Python model: calls `execute` with a batch and answers its requests."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock import _engine
from penstock.errors import Code, InternalError, ServerError

from .failure import failure_text
from .loops import ExecuteLoop
from .pb_utils import InferenceResponse, Tensor, TritonError, TritonModelException
from .pb_utils.calls import Caller
from .pb_utils.request import ClientRequest

if TYPE_CHECKING:
    from penstock._engine import Batch

    from .pb_utils.response import Reply

_log = logging.getLogger(__name__)


class BadReturnError(Exception):
    """What `execute` returned is not what the API says; the text is the contract's (5.1)."""


class PythonInstance:
    """Owns one `TritonPythonModel` object; used by one thread at a time."""

    def __init__(
        self,
        model_class: Any,
        name: str,
        code_dirs: tuple[Path, ...],
        args: dict[str, str],
        caller: Caller | None = None,
    ) -> None:
        """Makes the object and calls `initialize`. Raises InternalError if either fails."""
        self._name = name
        self._code_dirs = code_dirs
        self._model: Any = None
        self._caller = caller or Caller(None, decoupled=False)
        self._caller.bind()
        self._loop: ExecuteLoop | None = None
        try:
            self._initialize(model_class, args)
        except BaseException:
            self._caller.unbind()
            raise

    def execute(self, batch: Batch) -> None:
        """Answer every request of the batch.

        Whatever the model raises, SystemExit included, fails this batch and nothing else.
        """
        requests = _engine.model_requests(batch, ClientRequest, Tensor)
        self._caller.serving = True
        try:
            responses, plain = self._responses(requests, self._model.execute(requests))
        except BaseException as error:
            batch.mark_exec_end()
            self._fail(batch, [request._reply for request in requests], error)
            return
        finally:
            self._caller.serving = False
        batch.mark_exec_end()
        elsewhere = [] if plain else self._elsewhere(batch, requests, responses)
        # An output that the model has let go of is sent uncopied, also one that was an input.
        del requests
        for index, failure in _engine.respond(batch, responses):
            if index not in elsewhere:
                batch.fail(index, *self._verdict(failure))

    def readiness(self) -> Callable[[], str] | None:
        """What asks the model's `is_ready`, if it has one."""
        return self._why_unready if callable(getattr(self._model, "is_ready", None)) else None

    def finalize(self) -> None:
        """Call the model's `finalize` and drop the model. A failure is only logged."""
        self._caller.ending = True
        steps = [getattr(self._model, "finalize", None)]
        if self._loop is not None:
            steps.append(self._loop.close)
        self._model = None
        for step in steps:
            try:
                if step is not None:
                    step()
            except BaseException as error:
                text = failure_text(error, *self._code_dirs)
                _log.error("finalize of Python model '%s' failed: %s", self._name, text)
        self._caller.unbind()

    def _why_unready(self) -> str:
        asked = f"is_ready() of instance '{self._name}'"
        try:
            answer = self._model.is_ready()
            if inspect.iscoroutine(answer):
                answer = asyncio.run(answer)
        except BaseException as error:  # the model's own code
            return f"{asked} failed: {failure_text(error, *self._code_dirs)}"
        if not isinstance(answer, bool):
            return f"{asked} failed: is_ready() must return a boolean value, found {type(answer)}"
        return "" if answer else f"{asked} is False"

    def _initialize(self, model_class: Any, args: dict[str, str]) -> None:
        try:
            self._model = model_class()
            if not callable(getattr(self._model, "execute", None)):
                raise InternalError(
                    f"Python model '{self._name}' does not implement the 'execute' method."
                )
            if hasattr(self._model, "initialize"):
                self._model.initialize(args)
        except ServerError:
            raise
        except BaseException as error:
            raise InternalError(
                f"failed to initialize Python model '{self._name}': "
                f"{failure_text(error, *self._code_dirs)}"
            ) from None

    def _responses(
        self, requests: list[ClientRequest], returned: Any
    ) -> tuple[list[InferenceResponse | None], bool]:
        """What `execute` returned, checked, one for each request, and whether that is all."""
        plain = _engine.plain_responses(requests, returned)
        if plain is not None:
            return plain, True
        if not isinstance(returned, list):
            returned = self._list_of(requests, returned)
        if len(returned) != len(requests):
            raise BadReturnError(
                f"Number of InferenceResponse objects do not match the number of InferenceRequest "
                f"objects. InferenceRequest(s) size is:{len(requests)}, and InferenceResponse(s) "
                f"size is:{len(returned)}"
            )
        responses = [
            self._response(request, response)
            for request, response in zip(requests, returned, strict=True)
        ]
        return responses, False

    def _elsewhere(
        self,
        batch: Batch,
        requests: list[ClientRequest],
        responses: list[InferenceResponse | None],
    ) -> list[int]:
        """Fills in what response senders sent. Which requests are answered elsewhere: they are
        executed again (S-31), or their senders have not sent anything yet."""
        elsewhere = []
        for index, request in enumerate(requests):
            reply = request._reply
            if request._rescheduled:
                self._reschedule(batch, index)
                elsewhere.append(index)
            elif reply is not None:
                if reply.outlive(batch, index, self._verdict):
                    elsewhere.append(index)
                responses[index] = reply.response if reply.late is None else None
                request._outlive_batch()
        return elsewhere

    def _reschedule(self, batch: Batch, index: int) -> None:
        try:
            batch.reschedule(index)
        except ServerError as error:
            batch.fail(index, error.code, error.message)

    def _list_of(self, requests: list[ClientRequest], returned: Any) -> list[Any]:
        """What stands for a list: a coroutine of one, or None when all have a sender."""
        if inspect.iscoroutine(returned):
            returned = self._await(returned)
        if returned is None and all(r._reply is not None or r._rescheduled for r in requests):
            return [None] * len(requests)
        if isinstance(returned, list):
            return returned
        raise BadReturnError(
            f"Expected a list in the execute return, found type '{type(returned)}'."
        )

    def _response(self, request: ClientRequest, returned: Any) -> InferenceResponse | None:
        reply = request._reply
        if request._rescheduled:
            if returned is None:
                return None
            raise BadReturnError(
                f"Expected a None object in the execute function return list for reschduled "
                f"request, found type '{type(returned)}'."
            )
        if returned is None and reply is not None:
            return None
        if not isinstance(returned, InferenceResponse):
            raise BadReturnError(
                f"Expected an 'InferenceResponse' object in the execute function return list, "
                f"found type '{type(returned)}'."
            )
        if reply is not None:
            self._put(reply, returned)
        return returned

    def _put(self, reply: Reply, returned: InferenceResponse) -> None:
        """Of a response that was sent and one that is returned the first counts, as in Triton."""
        try:
            reply.put(returned, final=True)
        except TritonModelException as error:
            _log.error("%s", self._message(f"the returned response is dropped: {error}"))

    def _await(self, coroutine: Any) -> Any:
        if self._loop is None:
            self._loop = ExecuteLoop(self._name, self._caller.bind)
        return self._loop.run(coroutine)

    def _verdict(self, failure: BaseException | TritonError | None) -> tuple[int, str]:
        """Code and text for a request that gets no outputs."""
        if failure is None:
            return Code.INTERNAL, self._message(
                "the response sender was dropped without sending a response"
            )
        if isinstance(failure, TritonError):
            return failure.code(), failure.message()
        if isinstance(failure, ServerError):
            return failure.code, self._message(failure.message)
        if isinstance(failure, BadReturnError):
            return Code.INTERNAL, self._message(str(failure))
        return Code.INTERNAL, self._message(failure_text(failure, *self._code_dirs))

    def _fail(self, batch: Batch, replies: list[Reply | None], error: BaseException) -> None:
        """Fails the requests, but for those whose senders had sent a response, as in Triton."""
        _, message = self._verdict(error)
        _log.error("%s", message)
        for reply in replies:
            if reply is not None:
                reply.close()
        sent = [None if reply is None else reply.response for reply in replies]
        for index, failure in _engine.respond(batch, sent):
            code, why = (Code.INTERNAL, message) if failure is None else self._verdict(failure)
            batch.fail(index, code, why)

    def _message(self, text: str) -> str:
        return f"Failed to process the request(s) for model '{self._name}', message: {text}"
