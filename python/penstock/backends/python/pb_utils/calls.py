# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Models that call models (BLS, contract 5.1): the caller's side of `InferenceRequest.exec`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from penstock import _engine
from penstock.errors import ServerError

from .errors import TritonError, TritonModelException
from .parameters import ParameterValue
from .response import InferenceResponse
from .tensor import Tensor

if TYPE_CHECKING:
    from .request import InferenceRequest

_ONLY_IN_EXECUTE: Final = "BLS is only supported during the 'execute' function."
#: Calls that coroutines wait for at a time; more wait for their turn.
_THREADS: Final = 32

PortOf = Callable[[_engine.ModelPlan | None], _engine.CallPort]

_ports: PortOf | None = None
_here = threading.local()
#: Of a worker process: whose threads the model may have started.
_only: Caller | None = None
_waiters: Final = ThreadPoolExecutor(_THREADS, thread_name_prefix="bls")


def set_call_ports(ports: PortOf | None, *, only_one: bool = False) -> None:
    """Called at start: who makes ports for the instances; `only_one`: there is one instance."""
    global _ports, _only
    _ports = ports
    _only = Caller(None, decoupled=True) if only_one else None


class Caller:
    """One instance, as it calls other models. It belongs to the thread that it is made on."""

    __slots__ = ("_decoupled", "_plan", "_port", "ending", "serving")

    def __init__(self, plan: _engine.ModelPlan | None, *, decoupled: bool) -> None:
        self._plan = plan
        self._decoupled = decoupled
        self._port: _engine.CallPort | None = None
        #: whether a call may be made now: while it executes, and, of a decoupled model, between
        self.serving = False
        #: whether it is being finalized
        self.ending = False

    def bind(self) -> None:
        """What this thread calls from now on comes from this instance; once."""
        global _only
        _here.caller = self
        if _only is not None:
            _only = self

    def unbind(self) -> None:
        """What this thread calls comes from nobody again."""
        if getattr(_here, "caller", None) is self:
            del _here.caller

    def begin(self, request: InferenceRequest, *, many: bool) -> _engine.OutgoingCall:
        """Raises ServerError, and TritonModelException when nothing may be called now."""
        if not self.serving:
            raise TritonModelException(_ONLY_IN_EXECUTE)
        if self._port is None:
            if _ports is None:
                raise TritonModelException(_ONLY_IN_EXECUTE)
            self._port = _ports(self._plan)
        # What other threads of a decoupled model wait for does not keep it from executing.
        blocking = not self._decoupled or getattr(_here, "caller", None) is self
        return self._port.begin(request, _parameters(request), many=many, blocking=blocking)


def _caller() -> Caller:
    """Who calls on this thread; in the server a model's own threads are nobody's."""
    caller: Caller | None = getattr(_here, "caller", None) or _only
    if caller is None:
        caller = Caller(None, decoupled=True)
        caller.serving = True
        _here.caller = caller
    return caller


def ending() -> bool:
    """Whether the instance of this thread is being finalized."""
    caller: Caller | None = getattr(_here, "caller", None)
    return caller is not None and caller.ending


def call(request: InferenceRequest, *, many: bool) -> InferenceResponse | ResponseIterator:
    """Calls the model. What it fails with is a response; wrong use raises TritonModelException."""
    try:
        begun = _caller().begin(request, many=many)
    except ServerError as error:
        failed = _failure(error)
        return ResponseIterator(None, failed) if many else failed
    if many:
        return ResponseIterator(begun)
    return _next(begun)


def call_async(
    request: InferenceRequest, *, many: bool
) -> asyncio.Future[InferenceResponse | ResponseIterator]:
    """The same for a coroutine: begun already, as in Triton; cancelling it cancels the call.

    Raises RuntimeError where no event loop runs.
    """
    loop = asyncio.get_running_loop()
    if many:
        return _done(loop, call(request, many=True))
    try:
        begun = _caller().begin(request, many=False)
    except ServerError as error:
        return _done(loop, _failure(error))
    answer: asyncio.Future[Any] = loop.run_in_executor(_waiters, _next, begun)
    answer.add_done_callback(lambda ended: begun.cancel() if ended.cancelled() else None)
    return answer


def _done(
    loop: asyncio.AbstractEventLoop, answer: InferenceResponse | ResponseIterator
) -> asyncio.Future[InferenceResponse | ResponseIterator]:
    future = loop.create_future()
    future.set_result(answer)
    return future


class ResponseIterator(Iterator[InferenceResponse], AsyncIterator[InferenceResponse]):
    """The responses of a call with `decoupled=True`; the last one may be empty."""

    def __init__(
        self, begun: _engine.OutgoingCall | None, failed: InferenceResponse | None = None
    ) -> None:
        self._call = begun
        self._failed = failed

    def __iter__(self) -> ResponseIterator:
        return self

    def __next__(self) -> InferenceResponse:
        """Waits for the next response."""
        if self._failed is not None:
            failed, self._failed = self._failed, None
            return failed
        response = _taken(self._call) if self._call is not None else None
        if response is None:
            self._call = None
            raise StopIteration
        return response

    def __aiter__(self) -> ResponseIterator:
        return self

    async def __anext__(self) -> InferenceResponse:
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(_waiters, next, self, None)
        if response is None:
            raise StopAsyncIteration
        return response

    def cancel(self) -> None:
        """Nobody waits for the responses that are still to come."""
        if self._call is not None:
            self._call.cancel()


def _next(begun: _engine.OutgoingCall) -> InferenceResponse:
    response = _taken(begun)
    if response is None:
        return InferenceResponse(error=TritonError("the call was answered already"))
    return response


def _taken(begun: _engine.OutgoingCall) -> InferenceResponse | None:
    try:
        return begun.next(InferenceResponse, Tensor)
    except ServerError as error:
        return _failure(error)


def _failure(error: ServerError) -> InferenceResponse:
    return InferenceResponse(error=TritonError(error.message, error.code))


def _parameters(request: InferenceRequest) -> dict[str, ParameterValue]:
    """The request's own, and what the protocol says with parameters (G-21)."""
    if not request._correlation_id and not request._timeout:
        return request._parameters
    parameters = dict(request._parameters)
    sequence = request._correlation_id
    if sequence:
        if isinstance(sequence, int) and sequence >= 1 << 63:
            sequence -= 1 << 64  # the protocol has such numbers as negative ones
        parameters["sequence_id"] = sequence
        parameters["sequence_start"] = bool(request._flags & 1)
        parameters["sequence_end"] = bool(request._flags & 2)
    if request._timeout:
        parameters["timeout"] = request._timeout
    return parameters
