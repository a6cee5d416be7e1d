# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""POST .../generate and .../generate_stream (H-9, H-10, GEN-1..GEN-7).

A response is given back to the core when its bytes are written: a client that does not read stops
the model, not the memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

from aiohttp import hdrs
from aiohttp.web import BaseRequest

from penstock._engine import InferCall, InferReply, encode_http_error, parse_version
from penstock.errors import Code, ServerError, UnsupportedError
from penstock.frontends.http.generate_schema import GenerateRequest, dump, flatten
from penstock.frontends.http.infer import DEADLINE
from penstock.frontends.http.json_body import read_json_object
from penstock.frontends.http.reply import JSON, ChunkedReply, Reply
from penstock.frontends.http.status import HTTP_STATUS
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane
from penstock.telemetry.logging import verbose_level
from penstock.telemetry.orca import FORMATS

_LOGGER = logging.getLogger(__name__)

_EVENT_STREAM = "text/event-stream; charset=utf-8"
_LOAD_FORMAT = "endpoint-load-metrics-format"
_LOAD_METRICS = "endpoint-load-metrics"
#: The metrics' value in one of FORMATS, None when they are not there.
LoadMetrics: TypeAlias = Callable[[str], str | None]
_NOT_ONE = (
    "generate expects model to produce exactly 1 response, use generate stream for model that "
    "generates various number of responses"
)


class GenerateHandler:
    """Both forms. Raises ServerError before the first response; cancelling cancels the request."""

    def __init__(
        self,
        data: DataPlane,
        control: ControlPlane,
        *,
        max_input_bytes: int,
        load_metrics: LoadMetrics | None = None,
    ) -> None:
        self._data = data
        self._load_metrics = load_metrics
        self._control = control
        self._max_input_bytes = max_input_bytes

    async def generate(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """One JSON object (GEN-4). What went wrong after the first response is its body."""
        count, status, body = 0, 200, _error(_NOT_ONE)
        async with aclosing(await self._responses(request, parameters)) as responses:
            async for code, text in responses:
                count += 1
                if count == 1:
                    status, body = code, text
        if count != 1:
            body = _error(_NOT_ONE)
        reply = ChunkedReply(status, content_type=JSON, headers=self._load_headers(request))
        await reply.begin(request)
        await reply.write(body)
        return reply

    async def generate_stream(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """An event a response (GEN-5); the status is the first one's."""
        reply: ChunkedReply | None = None
        async with aclosing(await self._responses(request, parameters)) as responses:
            async for code, text in responses:
                if reply is None:
                    reply = self._stream(code, request)
                    await reply.begin(request)
                await reply.write(b"data: " + text + b"\n\n")
        if reply is None:
            reply = self._stream(200, request)
            await reply.begin(request)
        return reply

    def _stream(self, status: int, request: BaseRequest) -> ChunkedReply:
        headers = self._load_headers(request)
        return ChunkedReply(status, content_type=_EVENT_STREAM, headers=headers)

    def _load_headers(self, request: BaseRequest) -> tuple[tuple[str, str], ...]:
        """H-36; a format that there is not is no error."""
        form = request.headers.get(_LOAD_FORMAT)
        if form is None or self._load_metrics is None:
            return ()
        if form not in FORMATS:
            _LOGGER.log(verbose_level(1), "unknown endpoint-load-metrics-format: %s", form)
            return ()
        value = self._load_metrics(form)
        return () if value is None else ((_LOAD_METRICS, value),)

    async def _responses(
        self, request: BaseRequest, parameters: dict[str, str]
    ) -> AsyncGenerator[tuple[int, bytes]]:
        """Submits the request. Gives status and JSON of each response, errors among them."""
        self._control.check_started()
        received_ns = time.monotonic_ns()
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
            raise UnsupportedError("Unsupported content-encoding, only 'identity' is supported.")
        model = parameters["model"]
        version = parse_version(parameters.get("version", ""))
        await self._control.demand(model)
        inputs = self._control.model_metadata(model, version)["inputs"]
        body = await read_json_object(request, self._max_input_bytes)
        generate = GenerateRequest(inputs, self._max_input_bytes)
        message = generate.convert(body)
        answers = _Answers()
        answers.call = self._data.stream_http(
            model,
            version,
            message,
            generate.parameters,
            answers.arrived,
            received_ns=received_ns,
            deadline=request.headers.get(DEADLINE),
        )
        return answers.encoded()


class _Answers:
    """The responses to one request, in the order that the model has given them."""

    def __init__(self) -> None:
        self.call: InferCall | None = None
        self._ready: asyncio.Queue[InferReply] = asyncio.Queue()
        self._closed = False

    def arrived(self, reply: InferReply) -> None:
        """The core's: takes a response."""
        if self._closed:
            reply.release()
        else:
            self._ready.put_nowait(reply)

    async def encoded(self) -> AsyncGenerator[tuple[int, bytes]]:
        """Status and JSON of each. To be closed, which cancels what is still to come."""
        try:
            final = False
            while not final:
                reply = await self._ready.get()
                try:
                    final = reply.final
                    if not reply.dropped:
                        yield _encode(reply)
                finally:
                    reply.release()
        finally:
            self._close()

    def _close(self) -> None:
        self._closed = True
        if self.call is not None:
            self.call.cancel()
        while not self._ready.empty():
            self._ready.get_nowait().release()


def _encode(reply: InferReply) -> tuple[int, bytes]:
    try:
        return 200, dump(flatten(reply.encode()))
    except ServerError as error:
        return HTTP_STATUS[Code(error.code)], _error(error.message)


def _error(message: str) -> bytes:
    return encode_http_error(message)
