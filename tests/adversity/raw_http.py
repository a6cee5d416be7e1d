# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""HTTP/1.1 as bytes on a socket, right or wrong."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
from types import TracebackType
from typing import Any

from survive import harmless

INFER = "/v2/models/labelled/infer"


class RawHttp:
    """One connection. A context manager."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()

    def __enter__(self) -> RawHttp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """False: the server does not take it any more."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def use(self) -> None:
        """One small request."""
        self.send(LIVE)
        assert self.reply()[0] == 200

    def close(self) -> None:
        self.socket.close()

    def reply(self) -> tuple[int, bytes]:
        """Status and body of the next reply; status 0: the connection has ended."""
        while b"\r\n\r\n" not in self._received:
            if not self._receive():
                return 0, b""
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(self._received) < length:
            if not self._receive():
                return 0, b""
        body = bytes(self._received[:length])
        del self._received[:length]
        harmless(bytes(head) + body[:4096])
        return int(head.split(b" ")[1]), body

    def replies(self) -> list[tuple[int, bytes]]:
        """Status and text of every reply until the server ends the connection."""
        received = self.rest()
        harmless(received[:65536])
        found = list(re.finditer(rb"HTTP/1\.[01] (\d\d\d) ", received))
        ends = [match.start() for match in found[1:]] + [len(received)]
        return [(int(m[1]), received[m.start() : end]) for m, end in zip(found, ends, strict=False)]

    def leave(self, *, reset: bool = False) -> None:
        """Closes; with a reset if asked for."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        while self._receive():
            pass
        return bytes(self._received)

    def _receive(self) -> bool:
        part = b""
        with contextlib.suppress(ConnectionError):
            part = self.socket.recv(65536)
        self._received += part
        return bool(part)


LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def infer_message(
    model: str = "labelled", *, columns: int = 4, padding: int = 0, fields: str = ""
) -> bytes:
    """A whole JSON inference of one row; `padding` blanks make it longer."""
    tensor: dict[str, Any] = {
        "name": "INPUT0",
        "datatype": "FP32",
        "shape": [1, columns],
        "data": [1.0] * columns,
    }
    body = json.dumps({"inputs": [tensor]}).encode() + b" " * padding
    return message(body, f"/v2/models/{model}/infer", fields)


def message(body: bytes, path: str = INFER, fields: str = "") -> bytes:
    """A POST with a Content-Length."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body
