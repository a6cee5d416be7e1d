# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A1: requests that a fuzzer makes of good ones: no crash, no hang, no 5xx for what it did."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from raw_http import LIVE, RawHttp
from sizes import report, size
from survive import Survivor, clients_fault

CASES = size(10_000, 200_000)
LONGEST_S = 1.0
#: Beside what is the client's fault: good answers, an interim one, and "later".
_FINE = {100, 200, 503}
#: What Triton answers 500 to, so that clients know it: H-41, and the load of an unknown model.
_TRITONS_OWN = (b"shape does not match true shape", b"failed to load '")

_METHODS = ("POST", "GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "post", "P" * 33, "", "G(T")
_TARGETS = (
    "/v2/models/labelled/infer",
    "/v2/models/labelled/versions/1/infer",
    "/v2/models/identity_fp32/infer",
    "/v2/models/labelled/versions/{number}/infer",
    "/v2/models/{junk}/infer",
    "/v2/models/{junk}/ready",
    "/v2/models/labelled/config",
    "/v2/models/stats",
    "/v2/repository/index",
    "/v2/repository/models/no_such/load",
    "/v2/repository/models/no_such/unload",
    "/v2/systemsharedmemory/region/{junk}/register",
    "/v2/{junk}",
    "/v2/../{junk}",
    "{junk}",
    "*",
)
_VERSIONS = ("HTTP/1.1",) * 40 + ("HTTP/1.0", "HTTP/2.0", "HTTP/1.10", "http/1.1", "")
_NUMBERS = (0, 1, -1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 1e400, 1.5, -0.0, 10**30)
_JUNK = (
    "",
    "a",
    "%00",
    "%2e%2e",
    "é",
    "\x00",
    "\n",
    "\r\n",
    " ",
    "\t",
    "A" * 300,
    "\x7f",
    "ÿ",
    "#",
)
_FIELDS = (
    "Content-Length: {number}",
    "Content-Length: {size}",
    "Content-Length: {size}, {size}",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: {junk}",
    "Content-Encoding: gzip",
    "Content-Encoding: deflate",
    "Content-Encoding: {junk}",
    "Accept-Encoding: gzip;q={number}, deflate",
    "Accept-Encoding: {junk}",
    "Inference-Header-Content-Length: {size}",
    "Inference-Header-Content-Length: {number}",
    "Inference-Header-Content-Length: {junk}",
    "Expect: 100-continue",
    "Expect: {junk}",
    "Connection: close",
    "Connection: keep-alive, {junk}",
    "Connection: upgrade",
    "Upgrade: h2c",
    "Host: {junk}",
    "Host: again",
    "Authorization: {junk}",
    "Content-Type: {junk}",
    "Cookie: {junk}",
    "Range: bytes=0-{number}",
    "TE: trailers",
    "Trailer: {junk}",
    "Via: {junk}",
    "X-{junk}: a",
    "{junk}: {junk}",
    "{junk}",
    " folded",
    "A : b",
    ": b",
    "Origin: http://{junk}",
    "Forwarded: for={junk}",
    "Content-Range: {junk}",
    "If-Match: {junk}",
    "Proxy-Connection: keep-alive",
    "Keep-Alive: timeout={number}",
)


def test_a1_has_forty_kinds_of_fields() -> None:
    assert len(_FIELDS) >= 40


class _Maker:
    """Makes one case of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def case(self) -> bytes:
        """One message or two, whole or cut, with some bytes changed."""
        data = b"".join(self._message() for _ in range(self.random.choice((1, 1, 2))))
        if self._now(0.1):
            changed = bytearray(data)
            for _ in range(self.random.randrange(1, 6)):
                changed[self.random.randrange(len(changed))] = self.random.randrange(256)
            data = bytes(changed)
        return data[: self.random.randrange(len(data))] if self._now(0.15) else data

    def _now(self, chance: float) -> bool:
        return self.random.random() < chance

    def _filled(self, text: str, length: int) -> str:
        for slot, values in (("{number}", _NUMBERS), ("{junk}", _JUNK)):
            while slot in text:
                text = text.replace(slot, str(self.random.choice(values)), 1)
        return text.replace("{size}", str(max(0, length + self.random.choice((0, 0, 0, -1, 1)))))

    def _message(self) -> bytes:
        body = self._body()
        method = "POST" if self._now(0.8) else self.random.choice(_METHODS)
        target = _TARGETS[0] if self._now(0.6) else self.random.choice(_TARGETS)
        line = f"{method} {target} {self.random.choice(_VERSIONS)}"
        fields = ["Host: x"] if self._now(0.95) else []
        chunked = self._now(0.15)
        if self._now(0.8):
            fields.append(
                "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
            )
        for _ in range(self.random.choice((0, 0, 0, 0, 1, 1, 2, 40))):
            fields.append(self.random.choice(_FIELDS))
        self.random.shuffle(fields)
        end = "\n" if self._now(0.02) else "\r\n"
        head = end.join([*(self._filled(text, len(body)) for text in (line, *fields)), "", ""])
        return head.encode("utf-8", "surrogateescape") + (self._chunks(body) if chunked else body)

    def _chunks(self, body: bytes) -> bytes:
        out = bytearray()
        while body:
            step = self.random.randrange(1, 60)
            said = len(body[:step]) if self._now(0.97) else self.random.choice((0, 99, 2**40))
            out += b"%x\r\n%s\r\n" % (said, body[:step])
            body = body[step:]
        return bytes(out) + self.random.choice((b"0\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\n", b""))

    def _body(self) -> bytes:
        request = self._request()
        for _ in range(self.random.choice((0, 0, 0, 1, 2, 4))):
            self._edit(request)
        text = json.dumps(request).encode()
        if self._now(0.1):
            text = text.replace(
                b"1.0", self.random.choice((b"1e999", b"NaN", b"[" * 101, b"-", b""))
            )
        return text + self.random.randbytes(self.random.choice((0, 0, 0, 4, 16)))

    def _request(self) -> dict[str, Any]:
        tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": [1.0] * 4}
        request: dict[str, Any] = {"inputs": [tensor], "id": "a"}
        if self._now(0.3):
            request["outputs"] = [{"name": "OUTPUT0", "parameters": {"classification": 2}}]
        if self._now(0.3):
            del tensor["data"]
            tensor["parameters"] = {"binary_data_size": self.random.choice((16, 0, 4, 2**40))}
        return request

    def _edit(self, tree: Any) -> None:
        """Changes, drops, doubles or renames something, somewhere."""
        places: list[Callable[[Any], None]] = []
        self._collect(tree, places)
        if places:
            self.random.choice(places)(self._value())

    def _collect(self, node: Any, places: list[Callable[[Any], None]]) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in list(items):
            places.append(lambda value, key=key: node.__setitem__(key, value))
            places.append(lambda value, key=key: node.__delitem__(key))
            if isinstance(node, dict):
                places.append(lambda value, key=key: node.update({str(value)[:40]: node[key]}))
            else:
                places.append(lambda value, key=key: node.extend([node[key]] * 3))
            if isinstance(child, dict | list):
                self._collect(child, places)

    def _value(self) -> Any:
        return self.random.choice(
            (
                *_NUMBERS,
                *_JUNK,
                None,
                True,
                False,
                [],
                {},
                [[]],
                [1] * 50,
                {"a": {"b": []}},
                "BYTES",
            )
        )


def _replies(port: int, data: bytes) -> list[tuple[int, bytes]]:
    with RawHttp(port) as client:
        client.send(data)
        with contextlib.suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)  # what is not complete now never will be
        return client.replies()


def _is_right(status: int, text: bytes) -> bool:
    if status == 500:
        return any(known in text.lower() for known in _TRITONS_OWN)
    return status in _FINE or clients_fault(status)


def test_a1_structured_fuzz(survivor: Survivor) -> None:
    port = survivor.server.http_port
    seen: Counter[int] = Counter()
    for seed in range(CASES):
        data = _Maker(seed).case()
        started = time.monotonic()
        for status, text in _replies(port, data):
            seen[status] += 1
            assert _is_right(status, text), f"seed {seed}: {text!r}"
        if time.monotonic() - started > LONGEST_S:
            # The machine may do something else for a moment. Does the server, again?
            started = time.monotonic()
            _replies(port, data)
            assert time.monotonic() - started <= LONGEST_S, f"seed {seed} takes too long"
        if seed % 1000 == 0:
            assert [status for status, _ in _replies(port, LIVE)] == [200]
    # The fuzzer reaches what it is for: requests that are served, and refusals of every kind.
    assert seen.keys() >= {200, 400, 404, 405, 501, 505}, seen
    assert seen[200] > CASES * 0.02, seen
    report(f"A1: {CASES} cases, answers {dict(sorted(seen.items()))}")
