# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ModelStreamInfer (G-7, G-25..G-27): many requests on one stream, answered in their order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError
from grpc import StatusCode
from grpc.aio import EOF

from penstock._engine import InferCall
from penstock._proto import inference_pb2
from penstock.errors import ServerError
from penstock.frontends.grpc.context import Context
from penstock.frontends.grpc.status import GRPC_STATUS
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane

#: Requests of one stream that may be on their way; then its next ones are not read.
MAX_IN_FLIGHT = 256

#: G-25: metadata that asks for the status of the first error, and the end of the stream with it.
_CLOSE_ON_ERROR = ("triton_grpc_error", "true")

_STOPPING = "GRPC server is shutting down and has stopped accepting new requests."


def _final_parameter() -> bytes:
    response = inference_pb2.ModelInferResponse()
    response.parameters["triton_final_response"].bool_param = True
    return response.SerializeToString()


#: G-26: protobuf merges concatenated messages, so this adds the parameter to a serialised response.
_FINAL_RESPONSE = _final_parameter()
#: Tag of ModelStreamInferResponse.infer_response: field 2, length-delimited.
_INFER_RESPONSE_TAG = b"\x12"


@dataclass(frozen=True)
class _Queued:
    """A request that the core has taken."""

    message: bytes
    call: InferCall
    future: asyncio.Future[None]


@dataclass(frozen=True)
class _Refused:
    """A request that the core has refused at once."""

    message: bytes
    error: ServerError


_Item: TypeAlias = _Queued | _Refused | None


class StreamRpc:
    """ModelStreamInfer for models that answer once."""

    def __init__(self, data: DataPlane, control: ControlPlane) -> None:
        self._data = data
        self._control = control
        self._readers: set[asyncio.Task[None]] = set()
        self._stopping = False

    def stop(self) -> None:
        """No stream takes a further request; each ends when its last one is answered (G-29)."""
        self._stopping = True
        for reader in self._readers:
            reader.cancel()

    async def serve(self, requests: Any, context: Context) -> None:
        """Answers until the client has half-closed and got everything."""
        queue: asyncio.Queue[_Item] = asyncio.Queue()
        slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        reader = asyncio.create_task(self._read(context, queue, slots))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        try:
            await self._write(context, queue, slots)
            await asyncio.wait((reader,))
        finally:
            reader.cancel()
            while not queue.empty():
                item = queue.get_nowait()
                if isinstance(item, _Queued):
                    item.call.cancel()
        if self._stopping:
            await context.abort(StatusCode.UNAVAILABLE, _STOPPING)
        reader.result()  # raises what reading may have raised

    async def _read(
        self, context: Context, queue: asyncio.Queue[_Item], slots: asyncio.Semaphore
    ) -> None:
        try:
            while not self._stopping:
                await slots.acquire()
                message = await context.read()
                if message is EOF:
                    return
                queue.put_nowait(self._submit(message))
        finally:
            queue.put_nowait(None)

    def _submit(self, message: bytes) -> _Item:
        try:
            self._control.check_started()
            call, future = self._data.submit_grpc(message)
        except ServerError as error:
            return _Refused(message, error)
        return _Queued(message, call, future)

    async def _write(
        self, context: Context, queue: asyncio.Queue[_Item], slots: asyncio.Semaphore
    ) -> None:
        close_on_error = _CLOSE_ON_ERROR in (context.invocation_metadata() or ())
        while (item := await queue.get()) is not None:
            try:
                if isinstance(item, _Refused):
                    raise item.error
                reply = await _finish(item)
            except ServerError as error:
                if close_on_error:
                    await context.abort(GRPC_STATUS[error.code], error.message)
                reply = _error_response(item.message, error)
            await context.write(reply)
            slots.release()


async def _finish(item: _Queued) -> bytes:
    try:
        await item.future
    except asyncio.CancelledError:
        item.call.cancel()
        raise
    return _wrap(item.call.encode()[0])


def _wrap(response: bytes) -> bytes:
    """A ModelStreamInferResponse around a serialised ModelInferResponse, marked as final."""
    size = _varint(len(response) + len(_FINAL_RESPONSE))
    return b"".join((_INFER_RESPONSE_TAG, size, response, _FINAL_RESPONSE))


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _error_response(message: bytes, error: ServerError) -> bytes:
    """G-25: the text, and the request's id where it can be read."""
    response = inference_pb2.ModelStreamInferResponse(error_message=error.message)
    try:
        response.infer_response.id = inference_pb2.ModelInferRequest.FromString(message).id
    except DecodeError:
        response.infer_response.id = ""
    response.infer_response.parameters["triton_final_response"].bool_param = True
    return response.SerializeToString()
