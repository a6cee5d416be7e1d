# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B3: what is too large is refused at once, and not read."""

from __future__ import annotations

import time

import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame
from raw_http import INFER, RawHttp
from sizes import report, size
from survive import MIB, Survivor

POST = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n"
#: 50 ms, where the machine does nothing else.
AT_ONCE_S = 0.05
REPEATS = 10
OVERSIZE = {
    "length_10_tib": (f"{POST}Content-Length: {10 << 40}\r\n\r\n", 413),
    "uri_1_mib": ("GET /" + "a" * MIB + " HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "uri_one_too_long": ("GET /" + "a" * 8192 + " HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "field_1_mib": ("GET /v2 HTTP/1.1\r\nHost: x\r\nA: " + "a" * MIB + "\r\n\r\n", 431),
    "fields_1_mib": ("GET /v2 HTTP/1.1\r\nHost: x\r\n" + "A: b\r\n" * 175_000 + "\r\n", 431),
    "one_field_too_many": ("GET /v2 HTTP/1.1\r\nHost: x\r\n" + "A: b\r\n" * 100 + "\r\n", 431),
    "unknown_expectation": (f"{POST}Expect: x\r\nContent-Length: 9\r\n\r\n", 417),
}


@pytest.mark.parametrize("name", OVERSIZE)
def test_b3_oversize_is_refused_unread(survivor: Survivor, name: str) -> None:
    data, status = OVERSIZE[name]
    times_s = []
    for _ in range(REPEATS):
        with RawHttp(survivor.server.http_port) as client:
            started = time.monotonic()
            client.send(data.encode())
            assert client.reply()[0] == status
            times_s.append(time.monotonic() - started)
    report(f"B3: {name}: {min(times_s) * 1000:.1f} ms")
    assert min(times_s) <= AT_ONCE_S


def test_b3_a_million_chunks(survivor: Survivor) -> None:
    """H-27: a million one-byte chunks, again and again."""
    head = f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode()
    slowest_s = 0.0
    for _ in range(size(5, 100)):
        started = time.monotonic()
        with RawHttp(survivor.server.http_port) as client:
            client.send(head)
            for _ in range(100):
                if not client.send(b"1\r\n \r\n" * 10_000):
                    break
            status, body = client.reply()
        assert (status, b"65536 non-empty chunks" in body) == (400, True)
        slowest_s = max(slowest_s, time.monotonic() - started)
    report(f"B3: a million chunks: {slowest_s:.2f} s at most")
    assert slowest_s <= 2


def test_b3_grpc_message_over_the_limit(survivor: Survivor) -> None:
    """G-24: refused when its length is read, which is before any of it has come."""
    for _ in range(REPEATS):
        with RawConnection(survivor.server.grpc_port) as connection:
            connection.send(call_head(1))
            prefix = h2.message(b"", length=0x80000000)
            connection.send(frame(h2.DATA, 0, 1, prefix))
            assert connection.read_end(1).kind == h2.HEADERS
