# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance of a Python model: calls `execute` with a batch and answers its requests."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import Code, InternalError, ServerError

from .failure import failure_text
from .pb_utils import InferenceResponse
from .pb_utils.request import ClientRequest
from .pb_utils.tensor import outgoing

if TYPE_CHECKING:
    from penstock._engine import Batch

_log = logging.getLogger(__name__)


class _BadReturn(Exception):
    """What `execute` returned is not what the API says; the text is the contract's (5.1)."""


class PythonInstance:
    """Owns one `TritonPythonModel` object; used by one thread at a time."""

    def __init__(
        self,
        model_class: Any,
        name: str,
        model_dir: Path,
        outputs: Iterable[str],
        args: dict[str, str],
    ) -> None:
        """Makes the object and calls `initialize`. Raises InternalError if either fails."""
        self._name = name
        self._outputs = frozenset(outputs)
        self._model_dir = model_dir
        self._model: Any = None
        self._runner: asyncio.Runner | None = None
        try:
            self._model = model_class()
            if not callable(getattr(self._model, "execute", None)):
                raise InternalError(
                    f"Python model '{name}' does not implement the 'execute' method."
                )
            if hasattr(self._model, "initialize"):
                self._model.initialize(args)
        except ServerError:
            raise
        except BaseException as error:
            raise InternalError(
                f"failed to initialize Python model '{name}': {failure_text(error, model_dir)}"
            ) from None

    def execute(self, batch: Batch) -> None:
        """Answer every request of the batch.

        Whatever the model raises, SystemExit included, fails this batch and nothing else.
        """
        requests = [ClientRequest(batch[i]) for i in range(len(batch))]
        batch.mark_exec_start()
        try:
            responses = self._responses(requests, self._model.execute(requests))
        except BaseException as error:
            batch.mark_exec_end()
            for request in requests:
                if request.reply is not None:
                    request.reply.close()
            self._fail(batch, error)
            return
        batch.mark_exec_end()
        # An output that the model has let go of is sent uncopied, also one that was an input.
        del requests
        for index, response in enumerate(responses):
            self._answer(batch, index, response)

    def finalize(self) -> None:
        """Call the model's `finalize` and drop the model. A failure is only logged."""
        steps = [getattr(self._model, "finalize", None)]
        if self._runner is not None:
            steps.append(self._runner.close)
        self._model = None
        for step in steps:
            try:
                if step is not None:
                    step()
            except BaseException as error:
                text = failure_text(error, self._model_dir)
                _log.error("finalize of Python model '%s' failed: %s", self._name, text)

    def _responses(
        self, requests: list[ClientRequest], returned: Any
    ) -> list[InferenceResponse | None]:
        """What `execute` returned or sent, checked, one for each request."""
        if inspect.iscoroutine(returned):
            returned = self._await(returned)
        if returned is None and all(request.reply is not None for request in requests):
            returned = [None] * len(requests)
        if not isinstance(returned, list):
            raise _BadReturn(
                f"Expected a list in the execute return, found type '{type(returned)}'."
            )
        if len(returned) != len(requests):
            raise _BadReturn(
                f"Number of InferenceResponse objects do not match the number of InferenceRequest "
                f"objects. InferenceRequest(s) size is:{len(requests)}, and InferenceResponse(s) "
                f"size is:{len(returned)}"
            )
        return [
            self._response(request, response)
            for request, response in zip(requests, returned, strict=True)
        ]

    def _response(self, request: ClientRequest, returned: Any) -> InferenceResponse | None:
        reply = request.reply
        if returned is None and reply is not None:
            reply.done.wait()
            reply.close()
            return reply.response
        if not isinstance(returned, InferenceResponse):
            raise _BadReturn(
                f"Expected an 'InferenceResponse' object in the execute function return list, "
                f"found type '{type(returned)}'."
            )
        if reply is not None:
            reply.put(returned, final=True)
        return returned

    def _await(self, coroutine: Any) -> Any:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine)

    def _answer(self, batch: Batch, index: int, response: InferenceResponse | None) -> None:
        """Hand one request's outputs, or its error, to the server."""
        if response is None:
            message = "the response sender was dropped without sending a response"
            batch.fail(index, Code.INTERNAL, self._message(message))
            return
        error = response._error
        if error is not None:
            batch.fail(index, error.code(), error.message())
            return
        try:
            self._set_outputs(batch, index, response)
        except ServerError as failure:
            batch.fail(index, failure.code, self._message(failure.message))
        except Exception as failure:
            batch.fail(index, Code.INTERNAL, self._message(failure_text(failure, self._model_dir)))

    def _set_outputs(self, batch: Batch, index: int, response: InferenceResponse) -> None:
        """Outputs that the model has not are dropped here, those not asked for by the core."""
        tensors = response._output_tensors
        known = set(self._outputs)
        for position in range(len(tensors)):
            name = tensors[position]._name
            if name in known:
                known.remove(name)
                batch.set_output(index, name, outgoing(tensors, position))
        if response._parameters:
            for key, value in response._parameters.items():
                batch.set_parameter(index, key, value)

    def _fail(self, batch: Batch, error: BaseException) -> None:
        text = str(error) if isinstance(error, _BadReturn) else failure_text(error, self._model_dir)
        message = self._message(text)
        _log.error("%s", message)
        batch.fail_all(Code.INTERNAL, message)

    def _message(self, text: str) -> str:
        return f"Failed to process the request(s) for model '{self._name}', message: {text}"
