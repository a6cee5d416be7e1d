# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ModelStreamInfer (G-7, G-25..G-27): many requests on one stream, and any number of responses.

Models that answer once are answered in the order of the requests, decoupled ones as their responses
come. A response is given back when its bytes are written: a client that does not read stops the
model, not the memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError
from grpc import StatusCode
from grpc.aio import EOF

from penstock._engine import InferCall, InferReply
from penstock._proto import inference_pb2
from penstock.errors import ServerError
from penstock.frontends.grpc.context import Context, model_of, timeout_us
from penstock.frontends.grpc.metadata import check_restricted, of_metadata
from penstock.frontends.grpc.status import GRPC_STATUS, retry_metadata
from penstock.frontends.header_policy import HeaderPolicy
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane

#: Requests of one stream that may be on their way; then its next ones are not read.
MAX_IN_FLIGHT = 256

#: G-25: metadata that asks for the status of the first error, and the end of the stream with it.
_CLOSE_ON_ERROR = ("triton_grpc_error", "true")

_STOPPING = "GRPC server is shutting down and has stopped accepting new requests."


def _final_parameter(final: bool) -> bytes:
    response = inference_pb2.ModelInferResponse()
    response.parameters["triton_final_response"].bool_param = final
    return response.SerializeToString()


#: G-26: protobuf merges concatenated messages, so this adds the parameter to a serialised response.
_FINAL_PARAMETER = {final: _final_parameter(final) for final in (False, True)}
#: Tag of ModelStreamInferResponse.infer_response: field 2, length-delimited.
_INFER_RESPONSE_TAG = b"\x12"


@dataclass(frozen=True)
class _Refused:
    """The answer to a request that the core has refused at once."""

    message: bytes
    error: ServerError
    final: bool = True

    def release(self) -> None:
        """As a reply's; there is nothing to give back."""


_Answer: TypeAlias = InferReply | _Refused
#: Queues a serialised request, whose replies go to the callable.
_Submit: TypeAlias = Callable[[bytes, Callable[[InferReply], None]], InferCall]


class _Place:
    """A request that is answered once, among those of its stream."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: _Answer | None = None


class _Exchange:
    """The requests of one stream that are on their way, and the answers that may be written."""

    def __init__(self, submit: _Submit) -> None:
        self._submit = submit
        #: None: no request follows
        self.ready: asyncio.Queue[_Answer | None] = asyncio.Queue()
        #: requests without their final answer in `ready`, or with one that is not written yet
        self.open = 0
        self._places: deque[_Place] = deque()
        self._calls: set[InferCall] = set()
        self._closed = False

    def take(self, message: bytes) -> None:
        """Queues a request; a refused one is answered in its place."""
        place = _Place()
        self.open += 1
        try:
            call = self._submit(message, partial(self._arrived, place))
        except ServerError as error:
            place.answer = _Refused(message, error)
            self._places.append(place)
            return self._settle()
        self._calls.add(call)
        if not call.decoupled:
            self._places.append(place)

    def close(self) -> None:
        """Nobody waits: cancels what is on its way, gives back what is there."""
        self._closed = True
        for call in self._calls:
            call.cancel()
        while not self.ready.empty():
            if (answer := self.ready.get_nowait()) is not None:
                answer.release()
        for place in self._places:
            if place.answer is not None:
                place.answer.release()

    def _arrived(self, place: _Place, reply: InferReply) -> None:
        if reply.final:
            self._calls.discard(reply.call)
        if self._closed:
            reply.release()
        elif reply.call.decoupled:
            self.ready.put_nowait(reply)
        else:
            place.answer = reply
            self._settle()

    def _settle(self) -> None:
        while self._places and (answer := self._places[0].answer) is not None:
            self._places.popleft()
            self.ready.put_nowait(answer)


class StreamRpc:
    """ModelStreamInfer."""

    def __init__(self, data: DataPlane, control: ControlPlane, headers: HeaderPolicy) -> None:
        self._data = data
        self._control = control
        self._headers = headers
        self._readers: set[asyncio.Task[None]] = set()
        self._stopping = False

    def stop(self) -> None:
        """No stream takes a further request; each ends when its last one is answered (G-29)."""
        self._stopping = True
        for reader in self._readers:
            reader.cancel()

    async def serve(self, requests: Any, context: Context) -> None:
        """Answers until the client has half-closed and got everything."""
        await check_restricted(self._headers, "inference", context)
        exchange = _Exchange(partial(self._submit, context))
        slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        reader = asyncio.create_task(self._read(context, exchange, slots))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        try:
            await self._write(context, exchange, slots)
            await asyncio.wait((reader,))
        finally:
            reader.cancel()
            exchange.close()
        if self._stopping:
            await context.abort(StatusCode.UNAVAILABLE, _STOPPING)
        reader.result()  # raises what reading may have raised

    def _submit(
        self, context: Context, message: bytes, deliver: Callable[[InferReply], None]
    ) -> InferCall:
        self._control.check_started()
        parameters, trace_context = of_metadata(self._headers, context)
        return self._data.stream_grpc(
            message, deliver, parameters, trace_context, timeout_us=timeout_us(context)
        )

    async def _read(self, context: Context, exchange: _Exchange, slots: asyncio.Semaphore) -> None:
        try:
            while not self._stopping:
                await slots.acquire()
                message = await context.read()
                if message is EOF:
                    return
                if self._control.loads_on_demand:
                    await self._control.demand(model_of(message))
                exchange.take(message)
        finally:
            exchange.ready.put_nowait(None)

    async def _write(self, context: Context, exchange: _Exchange, slots: asyncio.Semaphore) -> None:
        close_on_error = _CLOSE_ON_ERROR in (context.invocation_metadata() or ())
        reading = True
        while reading or exchange.open > 0:
            answer = await exchange.ready.get()
            if answer is None:
                reading = False
                continue
            final = answer.final
            try:
                await _write_answer(context, answer, close_on_error)
            finally:
                answer.release()
            if final:
                exchange.open -= 1
                slots.release()


async def _write_answer(context: Context, answer: _Answer, close_on_error: bool) -> None:
    if isinstance(answer, InferReply) and answer.dropped:
        return
    try:
        if isinstance(answer, _Refused):
            raise answer.error
        message = _wrap(answer.encode(), answer.final)
    except ServerError as error:
        if close_on_error:
            await context.abort(GRPC_STATUS[error.code], error.message, retry_metadata(error))
        message = _error_response(answer, error)
    await context.write(message)


def _wrap(response: bytes, final: bool) -> bytes:
    """A ModelStreamInferResponse around a serialised ModelInferResponse, marked (G-26)."""
    parameter = _FINAL_PARAMETER[final]
    size = _varint(len(response) + len(parameter))
    return b"".join((_INFER_RESPONSE_TAG, size, response, parameter))


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _error_response(answer: _Answer, error: ServerError) -> bytes:
    """G-25: the text, the request's id, and the model if the request has reached it."""
    message = inference_pb2.ModelStreamInferResponse(error_message=error.message)
    response = message.infer_response
    if isinstance(answer, InferReply):
        response.model_name, response.model_version, response.id = answer.source
    else:
        response.id = _id_of(answer.message)
    response.parameters["triton_final_response"].bool_param = answer.final
    return message.SerializeToString()


def _id_of(message: bytes) -> str:
    try:
        return inference_pb2.ModelInferRequest.FromString(message).id
    except DecodeError:
        return ""
