# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reading a request body under a bound (H-25, H-27)."""

from __future__ import annotations

from aiohttp import hdrs
from aiohttp.web import BaseRequest

#: H-27: more non-empty chunks than this are refused.
MAX_CHUNKS = 65536


class BodyError(Exception):
    """The body is refused unread, or half read: the connection has to end with this reply."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def read_body(request: BaseRequest, max_bytes: int, too_large: str = "") -> bytes:
    """The whole body. Raises BodyError for more than `max_bytes` bytes or MAX_CHUNKS chunks.

    `too_large` is a text with {size} and {limit} for a 400; without it the status is 413. A length
    that is declared too large is refused before any of the body is read.
    """
    declared = request.content_length
    if declared is not None and declared > max_bytes:
        raise _too_large(declared, max_bytes, too_large)
    expect = request.headers.get(hdrs.EXPECT)
    if expect is not None:
        await _continue(request, expect)
    content = request.content
    if declared is None and request.can_read_body:
        return await _read_chunked(request, max_bytes, too_large)
    if content.is_eof() and content.exception() is None:
        return content.read_nowait(-1)
    parts: list[bytes] = []
    while part := await content.readany():
        parts.append(part)
    return b"".join(parts)


async def _read_chunked(request: BaseRequest, max_bytes: int, too_large: str) -> bytes:
    parts: list[bytes] = []
    size = chunks = 0
    async for part, ends_chunk in request.content.iter_chunks():
        size += len(part)
        chunks += ends_chunk
        if size > max_bytes:
            raise _too_large(size, max_bytes, too_large)
        if chunks > MAX_CHUNKS:
            raise BodyError(
                400,
                f"Chunked request body exceeds maximum of {MAX_CHUNKS} non-empty chunks. "
                "Send fewer or larger HTTP chunks.",
            )
        parts.append(part)
    return b"".join(parts)


async def _continue(request: BaseRequest, expect: str) -> None:
    if expect.lower() != "100-continue":
        raise BodyError(417, f"Unsupported expectation '{expect}'")
    if not request.content.is_eof():
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _too_large(size: int, limit: int, too_large: str) -> BodyError:
    if too_large:
        return BodyError(400, too_large.format(size=size, limit=limit))
    return BodyError(
        413, f"Request body of {size} bytes exceeds the maximum allowed size of {limit} bytes."
    )
