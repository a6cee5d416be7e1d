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
from penstock._proto import inference_pb2 as pb
from penstock.errors import ServerError
from penstock.types import DataType

from .errors import TritonError, TritonModelException
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

    def begin(self, message: bytes, *, many: bool) -> _engine.OutgoingCall:
        """Raises ServerError, and TritonModelException when nothing may be called now."""
        if not self.serving:
            raise TritonModelException(_ONLY_IN_EXECUTE)
        if self._port is None:
            if _ports is None:
                raise TritonModelException(_ONLY_IN_EXECUTE)
            self._port = _ports(self._plan)
        # What other threads of a decoupled model wait for does not keep it from executing.
        blocking = not self._decoupled or getattr(_here, "caller", None) is self
        return self._port.begin(message, many=many, blocking=blocking)


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
    message = _message(request)
    try:
        begun = _caller().begin(message, many=many)
    except ServerError as error:
        failed = _failure(error)
        return ResponseIterator(None, failed) if many else failed
    if many:
        return ResponseIterator(begun)
    return _response(begun.next())


async def call_async(
    request: InferenceRequest, *, many: bool
) -> InferenceResponse | ResponseIterator:
    """The same for a coroutine; cancelling it cancels the call."""
    if many:
        return call(request, many=True)
    message = _message(request)
    try:
        begun = _caller().begin(message, many=False)
    except ServerError as error:
        return _failure(error)
    answer = asyncio.get_running_loop().run_in_executor(_waiters, begun.next)
    try:
        return _response(await answer)
    except asyncio.CancelledError:
        begun.cancel()
        raise


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
        answer = self._call.next() if self._call is not None else None
        if answer is None:
            self._call = None
            raise StopIteration
        return _response(answer)

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


def _message(request: InferenceRequest) -> bytes:
    version = request._model_version
    message = pb.ModelInferRequest(
        model_name=request._model_name,
        model_version=str(version) if version >= 0 else "",
        id=request._request_id,
    )
    for tensor in request.inputs():
        wire = _wire(tensor)
        name = DataType(wire.data_type).name
        message.inputs.add(name=tensor.name(), datatype=name, shape=wire.shape)
        message.raw_input_contents.append(bytes(memoryview(wire)))
    for output in request._requested_output_names:
        message.outputs.add(name=output)
    for key, value in (request._parameters | _options(request)).items():
        _set(message.parameters[key], value)
    return message.SerializeToString()


def _wire(tensor: Any) -> _engine.Tensor:
    if not tensor.is_cpu():
        raise TritonModelException(
            f"tensor '{tensor.name()}' of a BLS request is in a GPU's memory: copy it to the "
            f"host's first"
        )
    source = tensor._source
    return source if isinstance(source, _engine.Tensor) else _engine.tensor_from_numpy(source)


def _options(request: InferenceRequest) -> dict[str, Any]:
    """What the protocol says with parameters (G-21)."""
    options: dict[str, Any] = {}
    if request._correlation_id:
        options["sequence_id"] = request._correlation_id
        options["sequence_start"] = bool(request._flags & 1)
        options["sequence_end"] = bool(request._flags & 2)
    if request._timeout:
        options["timeout"] = request._timeout
    return options


def _set(parameter: pb.InferParameter, value: Any) -> None:
    kinds = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
    setattr(parameter, kinds[type(value)], value)


def _failure(error: ServerError) -> InferenceResponse:
    return InferenceResponse(error=TritonError(error.message, error.code))


def _response(answer: tuple[ServerError | None, bytes, bool] | None) -> InferenceResponse:
    if answer is None:
        return InferenceResponse(error=TritonError("the call was answered already"))
    error, data, _ = answer
    if error is not None:
        return _failure(error)
    message = pb.ModelInferResponse.FromString(data)
    outputs = [
        _engine.model_tensor(
            Tensor,
            output.name,
            _engine.tensor_from_bytes(raw, DataType[output.datatype], output.shape),
        )
        for output, raw in zip(message.outputs, message.raw_output_contents, strict=True)
    ]
    parameters = {
        name: getattr(value, value.WhichOneof("parameter_choice"))
        for name, value in message.parameters.items()
    }
    return InferenceResponse(outputs, parameters=parameters)
