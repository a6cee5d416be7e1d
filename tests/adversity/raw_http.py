# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""HTTP/1.1 as bytes on a socket, right or wrong, and the corpus of wrong framing."""

from __future__ import annotations

import contextlib
import json
import socket
from types import TracebackType
from typing import Any

INFER = "/v2/models/labelled/infer"


class RawHttp:
    """One connection. A context manager."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._received = b""

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
        body, self._received = self._received[:length], self._received[length:]
        return int(head.split(b" ")[1]), body

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        while self._receive():
            pass
        return self._received

    def _receive(self) -> bool:
        part = b""
        with contextlib.suppress(ConnectionError):
            part = self.socket.recv(65536)
        self._received += part
        return bool(part)


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


_LENGTHS = [
    "+5",
    "-5",
    "0x5",
    "5_0",
    "5,5",
    "5.0",
    "5e0",
    "five",
    "inf",
    "9223372036854775808",
    "18446744073709551621",
    "5;",
    "5|5",
    "0o5",
    "--5",
    "5-",
    "٥",
    "５",
] + ["", "5 5", "5\x0b", "5\x00", '"5"', "5, 5", "5\x0c", "\x1f5", "5 ,", ", 5"]
_CODINGS = [
    "chunked, identity",
    "identity, chunked",
    "xchunked",
    "chunkedx",
    "gzip, chunked",
    "chunked, chunked",
    "identity",
    "gzip",
    "",
    ",chunked",
    "chunked,",
    "chunked;q=1",
    '"chunked"',
    "chunked\x0b",
    "\x0bchunked",
    "chunked\x00",
    "\xa0chunked",
    "chun ked",
    "chunk\xe9d",
]
_CHUNK_SIZES = (
    [
        "+2",
        "-2",
        "0x2",
        "2_0",
        "g",
        "2g",
        "8000000000000000",
        "10000000000000002",
        "00000000000000002",
        "0002",
        ";a",
    ]
) + ["", " 2", "2 ", "2\t", "2 ;a", "2;a\rb", "2;\x00", "2\x0b", "2,2", "٢"]
_FIELDS = [
    "A : b",
    "A\t: b",
    "A B: c",
    ": b",
    "A",
    "A\x00: b",
    "A: b\x00c",
    "A: b\x0bc",
    "A: \x7f",
    "A: \x1b[0m",
    "A: b\rc",
    "A: b\r",
    "A(: c",
    "A/B: c",
    '"A": c',
    "A: b\r\n c",
    "A: b\r\n\tc",
    " A: b",
    "\xe9: b",
    "Host: y",
    "host: x",
    "Authorization: a\r\nAuthorization: a",
    "Inference-Header-Content-Length: 1\r\nInference-Header-Content-Length: 2",
    "Content-Encoding: gzip\r\nContent-Encoding: identity",
    "A: b\nContent-Length: 0",
    "A: b\n",
    "   ",
]
_LINES = [
    "GET /v2",
    "GET  /v2 HTTP/1.1",
    "GET /v2  HTTP/1.1",
    "GET\t/v2\tHTTP/1.1",
    "GET /v2 HTTP/1.1 ",
    " GET /v2 HTTP/1.1",
    "GET /v2 HTTP/1.10",
    "GET /v2 HTTP/11",
    "GET /v2 http/1.1",
    "GET /v2 HTTP/1,1",
    "GET /v2 HTTP/2.0",
    "GET /v2 HTTP/0.9",
    "GET /v2 ICY/1.1",
    "GET v2 HTTP/1.1",
    "GET * HTTP/1.1",
    "GET host:80 HTTP/1.1",
    "CONNECT host:80 HTTP/1.1",
    "GET ftp://host/v2 HTTP/1.1",
    "GET http:///v2 HTTP/1.1",
    "GET /v2#x HTTP/1.1",
    "GET /v\x002 HTTP/1.1",
    "GET /v\x7f2 HTTP/1.1",
    "GET /v 2 HTTP/1.1",
    "G(T /v2 HTTP/1.1",
    "G\x00T /v2 HTTP/1.1",
    "GE:T /v2 HTTP/1.1",
    "PRI * HTTP/2.0",
    "\x16\x03\x01\x02\x00",
]
_POST = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n"
_CHUNKED = f"{_POST}Transfer-Encoding: chunked\r\n\r\n"
_WHOLE = [
    f"{_POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    f"{_POST}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    f"{_POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}",
    f"{_POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}",
    f"{_POST}Content-Length: 2\r\ncontent-length: 2\r\n\r\n{{}}",
    f"{_POST}Content-Length : 2\r\n\r\n{{}}",
    f"{_POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    f"{_POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    f"{_POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    f"{_POST}Transfer-Encoding:\nchunked\r\n\r\n0\r\n\r\n",
    f"POST {INFER} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    f"POST {INFER} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}",
    f"{_POST}\n".replace("\r\n", "\n"),
    "\r\n\r\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
    "\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\n0\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\r0\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}}}\r\n0\r\n\r\n",
    f"{_CHUNKED}2\n{{}}\r\n0\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\r\n0\r\n\n",
    f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA: b\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA : b\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA: b\r\n c\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\r\n0\r\nGET /v2 HTTP/1.1\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\r\n0\r\nA: \x00\r\n\r\n",
    f"{_CHUNKED}2\r\n{{}}\r\n0\r\n: b\r\n\r\n",
]


def framing_corpus() -> list[bytes]:
    """reliability.md A2: messages that must be answered 400 (or 505) and end the connection."""
    texts = [f"{_POST}Content-Length: {value}\r\n\r\nhello" for value in _LENGTHS]
    texts += [f"{_POST}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n" for value in _CODINGS]
    texts += [f"{_CHUNKED}{size}\r\n{{}}\r\n0\r\n\r\n" for size in _CHUNK_SIZES if size != "0002"]
    texts += [f"GET /v2 HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n" for field in _FIELDS]
    texts += [f"{line}\r\nHost: x\r\n\r\n" for line in _LINES]
    texts += [text.replace(INFER, "/v2/repository/index") for text in _WHOLE if INFER in text]
    return [text.encode() for text in texts + _WHOLE]
