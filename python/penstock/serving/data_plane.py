# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The way of an inference request from a frontend's event loop through the core and back.

One DataPlane belongs to one event loop. Decoding, admission, batching and encoding happen in the
core; Python's part is one future and one call each way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from penstock._engine import CompletionPort, Engine, GrpcCodec, HttpCodec, InferCall, InferReply

#: Of a request, beside those of its message: name and value.
Parameters: TypeAlias = Sequence[tuple[str, bool | int | float | str]]


class DataPlane:
    """Submits requests to the engine and wakes their coroutines when they are answered."""

    def __init__(
        self,
        engine: Engine,
        *,
        max_input_bytes: int = 64 << 20,
    ) -> None:
        """Belongs to the running loop."""
        self._loop = loop = asyncio.get_running_loop()
        self._port = CompletionPort(engine)
        self._http = HttpCodec(engine, self._port, max_input_bytes=max_input_bytes)
        self._grpc = GrpcCodec(engine, self._port)
        loop.add_reader(self._port.fileno(), self._port.drain)

    async def infer_http(
        self,
        model: str,
        version: int,
        body: bytes | bytearray,
        json_bytes: int | None,
        parameters: Parameters = (),
        trace_context: str = "",
        *,
        received_ns: int = 0,
        deadline: str | None = None,
    ) -> tuple[bytes, int]:
        """Answers one v2 HTTP body; version -1 is the latest. `parameters`: beside the body's.

        `received_ns`: of time.monotonic_ns(), when the request began to come; `deadline`: the value
        of its header Penstock-Deadline-Ms.

        Returns (reply, JSON length), the latter -1 when no binary data follows the JSON (H-31).
        Raises ServerError. Cancelling the coroutine cancels the request (H-30).
        """
        future: asyncio.Future[None] = self._loop.create_future()
        call = self._http.submit(
            model,
            version,
            body,
            json_bytes,
            future,
            parameters=parameters,
            trace_context=trace_context,
            received_ns=received_ns,
            deadline=deadline,
        )
        try:
            await future
        except asyncio.CancelledError:
            call.cancel()
            raise
        return call.encode()

    async def infer_grpc(
        self,
        message: bytes,
        parameters: Parameters = (),
        trace_context: str = "",
        *,
        timeout_us: int = 0,
    ) -> bytes:
        """Answers one serialised ModelInferRequest with a serialised ModelInferResponse.

        `timeout_us`: until the call's deadline; 0: it has none.

        Raises ServerError. Cancelling the coroutine cancels the request (G-28).
        """
        future: asyncio.Future[None] = self._loop.create_future()
        call = self._grpc.submit(
            message,
            future,
            parameters=parameters,
            trace_context=trace_context,
            timeout_us=timeout_us,
        )
        try:
            await future
        except asyncio.CancelledError:
            call.cancel()
            raise
        return call.encode()[0]

    def stream_http(
        self,
        model: str,
        version: int,
        body: bytes,
        parameters: Parameters,
        deliver: Callable[[InferReply], None],
        trace_context: str = "",
        *,
        received_ns: int = 0,
        deadline: str | None = None,
    ) -> InferCall:
        """Queues one v2 HTTP body whose request may be answered many times, as stream_grpc()."""
        return self._http.submit_stream(
            model,
            version,
            body,
            deliver,
            parameters=parameters,
            trace_context=trace_context,
            received_ns=received_ns,
            deadline=deadline,
        )

    def stream_grpc(
        self,
        message: bytes,
        deliver: Callable[[InferReply], None],
        parameters: Parameters = (),
        trace_context: str = "",
        *,
        timeout_us: int = 0,
    ) -> InferCall:
        """Queues a request of a stream; `deliver` is called with each response, on the loop.

        The caller releases the replies, and goes on taking them when it has cancelled the call.
        Raises ServerError.
        """
        return self._grpc.submit_stream(
            message,
            deliver,
            parameters=parameters,
            trace_context=trace_context,
            timeout_us=timeout_us,
        )

    def close(self) -> None:
        """Stops listening for completions. Nothing may be in flight any more."""
        self._loop.remove_reader(self._port.fileno())
