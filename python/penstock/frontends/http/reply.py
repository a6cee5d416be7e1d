# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A complete HTTP reply, written with one call.

aiohttp's Response builds a header dictionary and formats it for each reply; the few headers of this
protocol are formatted here directly, which saves about a third of the server's share of a small
request. It offers what aiohttp's protocol asks of a response: prepare, write_eof and keep_alive.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from aiohttp.http import HttpVersion11
from aiohttp.web import BaseRequest

from penstock._engine import encode_http_error

JSON = "application/json"
OCTET_STREAM = "application/octet-stream"

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}


class Reply:
    """Status, content type, further headers, body. `close` ends the connection afterwards."""

    __slots__ = ("body", "close", "content_type", "headers", "keep_alive", "status")

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        content_type: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        *,
        close: bool = False,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.close = close
        self.keep_alive = False

    async def prepare(self, request: BaseRequest) -> None:
        """Writes everything; waits only while the client does not take what was sent before."""
        self.keep_alive = request.keep_alive and not self.close
        body = self.body
        head = self._head(request, f"Content-Length: {len(body)}\r\n")
        writer = request.writer
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if not body or request.method == "HEAD":
            transport.write(f"{head}\r\n".encode("latin-1"))
        elif len(body) < _JOIN_BYTES:
            transport.write(f"{head}\r\n".encode("latin-1") + body)
        else:
            transport.writelines((f"{head}\r\n".encode("latin-1"), body))
        await writer.drain()

    async def write_eof(self) -> None:
        """Nothing is left to write."""

    def _head(self, request: BaseRequest, framing: str) -> str:
        """Status line and headers; `framing` says how long the body is."""
        head = _STATUS_LINES[self.status] + framing
        if self.content_type:
            head += f"Content-Type: {self.content_type}\r\n"
        for name, value in self.headers:
            head += f"{name}: {value}\r\n"
        if not self.keep_alive:
            head += "Connection: close\r\n"
        elif request.version < HttpVersion11:
            head += "Connection: keep-alive\r\n"
        return head


class ChunkedReply(Reply):
    """A reply whose body comes piece by piece: begin(), write() each, and return it."""

    __slots__ = ("_chunked", "_request")

    async def begin(self, request: BaseRequest) -> None:
        """Sends the head. To HTTP/1.0 the body is what comes until the connection is closed."""
        self._request = request
        self._chunked = request.version >= HttpVersion11
        self.keep_alive = request.keep_alive and self._chunked
        framing = "Transfer-Encoding: chunked\r\n" if self._chunked else ""
        await self._send(f"{self._head(request, framing)}\r\n".encode("latin-1"))

    async def write(self, piece: bytes) -> None:
        """Sends a piece, which is not empty; waits while the client does not take them."""
        await self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def prepare(self, request: BaseRequest) -> None:
        """The head has been sent already."""
        self.keep_alive = self.keep_alive and not self.close

    async def write_eof(self) -> None:
        """The end of the body."""
        if self._chunked:
            await self._send(b"0\r\n\r\n")

    async def _send(self, data: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(data)
        await self._request.writer.drain()


#: Below this, one joined write is cheaper than a gather-write.
_JOIN_BYTES = 16384


def json_reply(value: Any, status: int = 200) -> Reply:
    """A JSON document (H-21)."""
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), JSON)


def error_reply(
    status: int,
    message: str,
    headers: tuple[tuple[str, str], ...] = (),
    *,
    close: bool = False,
) -> Reply:
    """`{"error":"<text>"}` as application/json."""
    return Reply(status, encode_http_error(message), JSON, headers, close=close)
