# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""POST .../infer (H-8, H-31..H-35): the transport's part; the core reads and writes the body."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import hdrs
from aiohttp.web import BaseRequest
from multidict import istr

from penstock._engine import parse_header_length, parse_version
from penstock.errors import InvalidArgError
from penstock.frontends.header_policy import HeaderPolicy
from penstock.frontends.http.body import read_body
from penstock.frontends.http.compression import ENCODINGS, compress, decompress, negotiate
from penstock.frontends.http.reply import JSON, OCTET_STREAM, Reply, error_reply
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane

_HEADER_LENGTH = istr("Inference-Header-Content-Length")
#: of the whole request, from its first byte on
DEADLINE = istr("Penstock-Deadline-Ms")
#: (De)compressing more than this takes a millisecond or more: not on the event loop.
_OFFLOAD_BYTES = 1 << 15


class InferHandler:
    """One inference request in, one reply out."""

    def __init__(
        self,
        data: DataPlane,
        control: ControlPlane,
        *,
        max_input_bytes: int,
        max_body_bytes: int,
        headers: HeaderPolicy,
    ) -> None:
        self._data = data
        self._control = control
        self._max_input_bytes = max_input_bytes
        self._max_body_bytes = max_body_bytes
        self._headers = headers

    async def __call__(self, request: BaseRequest, parameters: dict[str, str]) -> Reply:
        """Raises ServerError, BodyError; cancelling it cancels the request (H-30)."""
        self._control.check_started()
        received_ns = time.monotonic_ns()
        headers = request.headers
        encoding = headers.get(hdrs.CONTENT_ENCODING)
        if encoding and encoding != "identity" and encoding not in ENCODINGS:
            accepted = ((hdrs.ACCEPT_ENCODING, ", ".join(ENCODINGS)),)
            return error_reply(501, "Unsupported compression type", accepted)
        body = await read_body(request, self._max_body_bytes)
        if encoding and encoding != "identity":
            body = await self._decompress(body)
        length = headers.get(_HEADER_LENGTH)
        json_bytes = None if length is None else parse_header_length(length, len(body))
        version = parameters.get("version")
        if self._control.loads_on_demand:
            await self._control.demand(parameters["model"])
        message, json_length = await self._data.infer_http(
            parameters["model"],
            -1 if version is None else parse_version(version),
            body,
            json_bytes,
            received_ns=received_ns,
            deadline=headers.get(DEADLINE),
            **self._of_headers(request),
        )
        return await self._reply(message, json_length, headers.get(hdrs.ACCEPT_ENCODING))

    def _of_headers(self, request: BaseRequest) -> dict[str, Any]:
        """What headers say of a request beside what the protocol has (1.15, T-22)."""
        policy = self._headers
        if not policy.looks_at_inference:
            return {}
        headers = [
            (name.decode("utf-8", "replace"), value.decode("utf-8", "replace"))
            for name, value in request.raw_headers
        ]
        return {
            "parameters": policy.parameters(headers),
            "trace_context": policy.context(headers),
        }

    async def _decompress(self, body: bytes) -> bytes:
        limit = self._max_input_bytes
        if not body:
            raise InvalidArgError("Unable to decompress the request body: it is empty")
        return await asyncio.get_running_loop().run_in_executor(None, decompress, body, limit)

    async def _reply(self, message: bytes, json_length: int, accept: str | None) -> Reply:
        headers: tuple[tuple[str, str], ...] = ()
        content_type = JSON
        if json_length >= 0:
            headers = ((_HEADER_LENGTH, str(json_length)),)
            content_type = OCTET_STREAM
        if accept:
            encoding = negotiate(accept)
            if encoding != "identity":
                headers = (*headers, (hdrs.CONTENT_ENCODING, encoding))
                if len(message) <= _OFFLOAD_BYTES:
                    message = compress(message, encoding)
                else:
                    loop = asyncio.get_running_loop()
                    message = await loop.run_in_executor(None, compress, message, encoding)
        return Reply(200, message, content_type, headers)
