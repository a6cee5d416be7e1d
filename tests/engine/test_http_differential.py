# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The door's HTTP/1 parser beside h11, over mutated heads and bodies (reliability.md A2).

Each case is a stream of bytes that ends with a request of its own, the marker: what a message was
thought to be decides whether the marker is read as one. The door passes on what it reads; h11 reads
the stream itself. EXPLAINED has every way in which the two may differ, and why.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h11
import pytest
from penstock._engine import Engine, HttpDoor

CASES = 100_000 if os.environ.get("PENSTOCK_FULL") == "1" else 10_000
MARKER = b"GET /marker HTTP/1.1\r\nHost: m\r\n\r\n"


class Message(NamedTuple):
    """A request as it was read; fields that concern one connection are left out."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Reading(NamedTuple):
    """What was made of a stream: whole messages, and whether the rest was refused."""

    messages: tuple[Message, ...]
    refused: bool
    why: str = ""  # h11 says it

    def agrees_with(self, other: Reading) -> bool:
        """The same, whatever the words."""
        return self[:2] == other[:2]


HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"te"),
    *(b"trailer", b"upgrade", b"transfer-encoding", b"content-length"),
}


def connection_options(request: h11.Request) -> set[bytes]:
    """What the Connection fields say."""
    values = [value for name, value in request.headers if name == b"connection"]
    return {option.strip().lower() for value in values for option in value.split(b",")}


def is_kept(request: h11.Request) -> bool:
    """Does an HTTP/1.0 client ask for another request on the connection?"""
    options = connection_options(request)
    return request.http_version == b"1.0" and b"keep-alive" in options and b"close" not in options


def message_of(request: h11.Request, body: bytes) -> Message:
    """The part of a message that must come through."""
    left_out = HOP_BY_HOP | connection_options(request)
    kept = tuple((name, value) for name, value in request.headers if name not in left_out)
    if not any(name == b"host" for name, _ in kept):
        kept += ((b"host", b"localhost"),)  # the door gives one to HTTP/1.0
    target = re.sub(rb"(?i)^https?://[^/?]+", b"", request.target) or b"/"
    return Message(request.method, target, kept, body)


def read_by_h11(stream: bytes) -> Reading:
    """h11 as a server that answers every request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(stream)
    messages: list[Message] = []
    request: h11.Request | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                messages.append(message_of(request, body))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.DONE:
                    connection.start_next_cycle()
                elif is_kept(request):  # h11 itself ends every connection of HTTP/1.0
                    rest, _ = connection.trailing_data
                    connection = h11.Connection(h11.SERVER)
                    connection.receive_data(rest)
                else:
                    return Reading(tuple(messages), refused=False)
            else:
                return Reading(tuple(messages), refused=False)
    except h11.RemoteProtocolError as error:
        return Reading(tuple(messages), refused=True, why=str(error))


class Upstream(threading.Thread):
    """Reads what the door passes on, which it frames anew, and answers it."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.rstrip(b"\r\n").split(b" ")
                fields = []
                while (line := stream.readline().rstrip(b"\r\n")) != b"":
                    name, _, value = line.partition(b": ")
                    fields.append((name.lower(), value))
                try:
                    body = self._body(stream, dict(fields))
                except EOFError:
                    return  # the client went away within its request
                kept = tuple((n, v) for n, v in fields if n not in HOP_BY_HOP)
                self.messages.put(Message(method, target, kept, body))
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    @staticmethod
    def _body(stream: BinaryIO, fields: dict[bytes, bytes]) -> bytes:
        def exactly(size: int) -> bytes:
            data = stream.read(min(size, 1 << 20))  # no case has more
            if len(data) < size:
                raise EOFError
            return data

        if b"transfer-encoding" not in fields:
            return exactly(int(fields.get(b"content-length", b"0")))
        body = b""
        while line := stream.readline():
            size = int(line, 16)
            body += exactly(size)
            exactly(2)
            if size == 0:
                return body
        raise EOFError


class Door:
    """The door in front of an upstream, both on Unix sockets."""

    def __init__(self, folder: Path) -> None:
        self.upstream = Upstream(str(folder / "up"))
        self.upstream.start()
        self.path = str(folder / "door")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(64)
        listener.setblocking(False)
        self.door = HttpDoor(Engine(), listener.detach(), upstream_path=str(folder / "up"))
        self.door.set_state(started=True, ready=True, exiting=False)

    def close(self) -> None:
        """Ends both."""
        self.door.stop()
        self.upstream.close()

    def read(self, stream: bytes) -> Reading:
        """What the door makes of a stream that ends behind it."""
        received = b""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(self.path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(stream)
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while more := client.recv(65536):
                    received += more
        statuses = re.findall(rb"HTTP/1\.[01] (\d\d\d) ", received)
        answered = statuses.count(b"200")
        messages = tuple(self.upstream.messages.get(timeout=30) for _ in range(answered))
        return Reading(messages, refused=any(s >= b"400" for s in statuses))


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    served = Door(tmp_path_factory.mktemp("door"))
    yield served
    served.close()


# ---------------------------------------------------------------- cases

BASES = (
    b"GET /v2/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a/v2?q=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    b"POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /v2/x HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nT: x\r\n\r\n",
    b"DELETE /v2/x HTTP/1.1\r\nHost: a\r\nConnection: close, x-a\r\nX-A: b\r\n\r\n",
)
LINES = (
    *(b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: 5, 5", b"Content-Length: +5"),
    *(b"Content-Length: 0", b"content-length: 36", b"Content-Length:", b"Content-Length: 5 5"),
    *(b"Content-Length: 0x5", b"Content-Length: 99999999999999999999", b"Content-Length : 5"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: CHUNKED", b"Transfer-Encoding: xchunked"),
    *(
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding",
    ),
    *(b"Host: b", b"Host: a", b"Authorization: x", b"Authorization: x", b"Content-Encoding: gzip"),
    *(b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b" folded", b"\tb"),
    *(b"X: \x01", b"X: \x00", b"X: \xff", b"X:\x0bchunked", b"X\x80: y", b": y", b"X Y: z", b"X:"),
    b"Inference-Header-Content-Length: 1",
)
SWAPS = (
    *((b"HTTP/1.1", v) for v in (b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9")),
    *((b"5\r\nhello\r\n", v + b"\r\nhello\r\n") for v in (b"5 ", b"05", b"0" * 16 + b"5")),
    *((b"1;a=b\r\n", b"1;a" + v + b"b\r\n") for v in (b"\r", b"\x01", b"\x00", b'="', b"\n")),
    *((b"T: x\r\n", v + b"\r\n") for v in (b"T", b"T : x", b" T: x", b"T: x\r\nU: y", b"T: \x01")),
    *((v, b"\r\n" + v) for v in (b"GET", b"POST")),
    *((b"Host: a", b"Host: a" + 2 * v) for v in (b"\r\nAuthorization: x", b"\r\nHost: b")),
    *((v, b"D" * 33) for v in (b"GET", b"DELETE")),
    (b"HTTP/1.1\r\nHost: a", b"HTTP/1.2"),
)
PIECES = (
    *(b"\r", b"\n", b"\r\n", b" \r\n", b" ", b"\t", b"\x00", b"\x0b", b"\x7f", b"\x80", b"\xff"),
    *(
        b":",
        b",",
        b";",
        b"#",
        b"?",
        b"/",
        b"*",
        b"%00",
        b"0",
        b"1",
        b"5",
        b"-",
        b"+",
        b"x",
        b"HTTP/",
    ),
    *(b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"//", b"ftp://", b"a:80", b"FFFFFFFFFFFFFFFF", b"\\"),
)


def mutated(rng: random.Random) -> bytes:
    """A request with some damage, which may be none."""
    data = rng.choice(BASES)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            data = data[:at] + rng.choice(PIECES) + data[at:]
        elif kind == 1:
            data = data[:at] + rng.choice(PIECES) + data[at + rng.randrange(1, 4) :]
        elif kind == 2:
            data = data[:at] + data[at + rng.randrange(1, 4) :]
        elif kind == 3:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif kind == 4:
            data = data.replace(*rng.choice(SWAPS))
        else:  # a line more
            head, end, body = data.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            lines.insert(rng.randrange(1, len(lines) + 1), rng.choice(LINES))
            data = b"\r\n".join(lines) + end + body
    return data


# ---------------------------------------------------------------- differences


class Explanation(NamedTuple):
    """A difference that is meant: who gives up first, on which streams, and why."""

    first_to_stop: str
    pattern: bytes  # searched in the stream, or in what h11 says
    why: str


EXPLAINED = (
    Explanation(
        *("door", rb"(?<!\r)\n"),
        "RFC 9112 2.2 lets a server take a bare LF as a line's end; another server may not",
    ),
    Explanation(
        *("door", rb"\n[ \t]"),
        "RFC 9112 5.2: a folded field is refused or unfolded; the door refuses",
    ),
    Explanation(
        *("door", rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"),
        "RFC 9110 5.5, RFC 9112 7.1.1: no control characters in fields and chunk extensions; h11 "
        "knows clients that send them",
    ),
    Explanation(
        *("door", rb"^(\r\n)?\S+ (?!/|(?i:https?://[^/? ]+[/ ]))"),
        "a target is a path, or an http(s) URI with a host; h11 leaves that to the application",
    ),
    Explanation(
        *("door", rb"^(\r\n)?\S+ \S*#"),
        "RFC 9112 3.2: a target has no fragment",
    ),
    Explanation(
        *("door", rb"^(\r\n)?\S+ \S+ HTTP/[02-9]\."),
        "only HTTP/1 has this form; h11 leaves the version to the application",
    ),
    Explanation(
        *("door", rb"(?is) HTTP/1\.0\r\n.*transfer-encoding"),
        "RFC 9112 6.1: HTTP/1.0 has no chunks, so the framing is faulty; h11 reads them",
    ),
    Explanation(
        *("door", rb"(?is)^(?=.*\ncontent-length:).*\ntransfer-encoding:"),
        "RFC 9112 6.3: both lengths at once is how requests are smuggled; h11 lets the chunks win",
    ),
    Explanation(
        *("door", rb"(?is)\ncontent-length:([^\r\n]*,|.*\ncontent-length:)"),
        "RFC 9110 8.6: equal lengths may be taken as one, or refused; the door refuses",
    ),
    Explanation(
        *("door", rb"(?i)\ncontent-length:[ \t]*[0-9]{19}"),
        "no body is that long; h11 counts without a bound",
    ),
    Explanation(
        *(
            "door",
            rb"(?is)\n(authorization|content-encoding|inference-header-content-length):.*\n\1:",
        ),
        "fields that decide who asks and how the body is read are taken once",
    ),
    Explanation(
        *("door", rb"\n[0-9a-fA-F]+[ \t]+\r\n"),
        "RFC 9112 7.1: nothing stands between a chunk's size and its line's end",
    ),
    Explanation(
        *("door", rb"\n[0-9a-fA-F]+;[^\n]*\r[^\n]"),
        "RFC 9112 7.1.1: a CR is no part of a chunk's extension; h11 skips what it does not use",
    ),
    Explanation(
        *("door", rb"\n[0-9a-fA-F]{16,}[\r;]"),
        "no chunk is that long; h11 counts up to twenty digits",
    ),
    Explanation(
        *("door", rb"(?is)^\S+ \S+ HTTP/1\.[2-9]\r\n(?!.*\nhost:.*\r\n\r\nGET /marker)"),
        "a later HTTP/1 is HTTP/1.1 to the door, with a Host",
    ),
    Explanation(
        *("door", rb"(^|\n|hello)[!-~]{33,} "),
        "no method is that long",
    ),
    Explanation(
        *("h11", rb"^illegal request line: .*\\x[89a-f]"),
        "a model's name may be sent as UTF-8, unescaped; the control plane answers such a path",
    ),
    Explanation(
        *("h11", rb"^no request line received"),
        "RFC 9112 2.2: an empty line before a request is passed over",
    ),
)


def first_to_stop(by_door: Reading, by_h11: Reading) -> str | None:
    """Who gives up while the other reads on. None: they read different messages."""
    common = min(len(by_door.messages), len(by_h11.messages))
    if by_door.messages[:common] != by_h11.messages[:common]:
        return None
    if len(by_door.messages) != len(by_h11.messages):
        return "door" if common == len(by_door.messages) else "h11"
    return "door" if by_door.refused else "h11"


def explanation_of(stream: bytes, by_door: Reading, by_h11: Reading) -> Explanation | None:
    """The first that fits."""
    stops = first_to_stop(by_door, by_h11)
    text = stream if stops == "door" else by_h11.why.encode()
    return next(
        (e for e in EXPLAINED if e.first_to_stop == stops and re.search(e.pattern, text)), None
    )


def test_every_difference_from_h11_is_explained(door: Door) -> None:
    rng = random.Random(20260101)
    used: Counter[Explanation] = Counter()
    for _ in range(CASES):
        stream = mutated(rng) + MARKER
        by_door, by_h11 = door.read(stream), read_by_h11(stream)
        if by_door.agrees_with(by_h11):
            continue
        explanation = explanation_of(stream, by_door, by_h11)
        assert explanation, f"{stream!r}\ndoor: {by_door}\nh11: {by_h11}"
        used[explanation] += 1
    assert used.total() < CASES / 5, "most cases agree"
    assert set(used) == set(EXPLAINED), f"never seen: {set(EXPLAINED) - set(used)}"
