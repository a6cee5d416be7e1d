# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""HTTP/2 and gRPC by hand: frames as bytes, and a client that sends them as they are."""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
NO_ERROR, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0, 8, 9, 11
INITIAL_WINDOW_SIZE = 4

_INFER = "/inference.GRPCInferenceService/ModelInfer"


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(name: str, value: str) -> bytes:
    """A header field as a literal that is not indexed (RFC 7541 6.2.2)."""
    out = b"\x00"
    for text in (name.encode(), value.encode()):
        out += _length(len(text)) + text
    return out


def _length(size: int) -> bytes:
    if size < 127:
        return bytes((size,))
    out, size = bytearray((127,)), size - 127
    while size >= 128:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out)


def call_fields(path: str = _INFER, **more: str) -> bytes:
    """The header block of a gRPC call; `more` replaces or adds fields, "" leaves one out."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "test",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    return b"".join(field(name, value) for name, value in fields.items() if value)


def call_head(stream: int, path: str = _INFER, **more: str) -> bytes:
    """The HEADERS frame of a gRPC call."""
    return frame(HEADERS, END_HEADERS, stream, call_fields(path, **more))


def message(body: bytes, *, flags: int = 0, length: int | None = None) -> bytes:
    """A message in gRPC's frame; `length` is what is said, if not the truth."""
    return struct.pack(">BI", flags, len(body) if length is None else length) + body


@dataclass(frozen=True)
class Frame:
    """A frame that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def error(self) -> int:
        """Of GOAWAY and RST_STREAM."""
        at = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[at : at + 4], "big")


class RawConnection:
    """A connection that has sent the preface and SETTINGS. Not thread safe."""

    def __init__(self, port: int, settings: bytes = b"", timeout_s: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.goaway: Frame | None = None
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends all of it; raises OSError when the server has closed."""
        self.socket.sendall(data)

    def send_until_closed(self, data: bytes) -> bool:
        """Sends what the server takes. False: it has closed."""
        try:
            self.send(data)
        except OSError:
            return False
        return True

    def read(self) -> Frame | None:
        """The next frame; None at the end."""
        while not self._is_whole():
            try:
                chunk = self.socket.recv(1 << 16)
            except ConnectionError:
                chunk = b""
            if not chunk:
                return None
            self._buffer += chunk
        size = self._size()
        kind, flags, stream = struct.unpack(">BBI", self._buffer[3:9])
        payload = self._buffer[9 : 9 + size]
        self._buffer = self._buffer[9 + size :]
        return Frame(kind, flags, stream & 0x7FFFFFFF, payload)

    def has_ended(self, wait_s: float) -> bool:
        """Looks through what has come, waits a little for more: was it GOAWAY, or the end?"""
        while self._is_whole() or select.select([self.socket], [], [], wait_s)[0]:
            found = self.read()
            if found is None or found.kind == GOAWAY:
                self.goaway = found
                return True
        return False

    def read_until(self, kind: int, stream: int | None = None) -> Frame:
        """Skips frames up to one of this kind."""
        while (found := self.read()) is not None:
            if found.kind == kind and stream in (None, found.stream):
                return found
        raise AssertionError(f"the connection ended without a frame of kind {kind}")

    def read_end(self, stream: int) -> Frame:
        """Skips frames up to the one that ends the stream: END_STREAM or RST_STREAM."""
        while (found := self.read()) is not None:
            if found.stream != stream:
                continue
            if found.kind == RST_STREAM or (
                found.kind in (DATA, HEADERS) and found.flags & END_STREAM
            ):
                return found
        raise AssertionError(f"the connection ended before stream {stream} did")

    def goaway_error(self, deadline_s: float = 10.0) -> int | None:
        """The error of the GOAWAY that ends the connection; None when it just ends."""
        error, deadline = None, time.monotonic() + deadline_s
        while (found := self.read()) is not None:
            assert time.monotonic() < deadline, "the server goes on"
            if found.kind == GOAWAY:
                error = found.error
        return error

    def _is_whole(self) -> bool:
        return len(self._buffer) >= 9 and len(self._buffer) >= 9 + self._size()

    def _size(self) -> int:
        return int.from_bytes(self._buffer[:3], "big")
