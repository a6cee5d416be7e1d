# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B7: what HTTP/2 lets a client make a server do for nothing."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame, message
from normal_traffic import NormalTraffic, measure
from sizes import report, size
from survive import Survivor, infer_request

BODY = message(infer_request().SerializeToString())
EXCESS = 1000
HEADERS_BYTES = 32 << 10

Flood = Callable[[int], bytes]


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def stream_of(number: int) -> int:
    return 2 * number + 1


def rapid_reset(number: int) -> bytes:
    """CVE-2023-44487."""
    stream = stream_of(number)
    return call_head(stream) + frame(h2.RST_STREAM, 0, stream, u32(h2.CANCEL))


def makes_reset(wrong: Callable[[int], bytes]) -> Flood:
    """A stream that the server must reset, for what comes behind its head (CVE-2025-8671)."""

    def flood(number: int) -> bytes:
        return call_head(stream_of(number)) + wrong(stream_of(number))

    return flood


def ended_head(stream: int) -> bytes:
    return frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, h2.call_fields())


def malformed_head(number: int) -> bytes:
    """A field name in upper case: the stream is malformed (RFC 9113 8.2.1)."""
    block = h2.call_fields() + h2.field("Upper", "case")
    return frame(h2.HEADERS, h2.END_HEADERS, stream_of(number), block)


FLOODS: dict[str, Flood] = {
    "rapid_reset": rapid_reset,
    "made_you_reset_window_overflow": makes_reset(
        lambda stream: frame(h2.WINDOW_UPDATE, 0, stream, u32(0x7FFFFFFF))
    ),
    "made_you_reset_second_head": makes_reset(
        lambda stream: frame(h2.HEADERS, h2.END_HEADERS, stream, h2.call_fields())
    ),
    "made_you_reset_malformed_head": malformed_head,
    "ping": lambda number: frame(h2.PING, 0, 0, bytes(8)),
    "settings": lambda number: frame(h2.SETTINGS),
    "settings_full": lambda number: frame(
        h2.SETTINGS, 0, 0, struct.pack(">HI", h2.INITIAL_WINDOW_SIZE, number) * 30
    ),
    "priority": lambda number: frame(h2.PRIORITY, 0, stream_of(number), bytes(5)),
    "window_update": lambda number: frame(h2.WINDOW_UPDATE, 0, 0, u32(1)),
    "empty_data": lambda number: call_head(1) if number == 0 else frame(h2.DATA, 0, 1),
    "unknown_kind": lambda number: frame(99, 0, 0, bytes(8)),
}


def frames_taken(connection: RawConnection, flood: Flood) -> int:
    """How many were sent before the server ended the connection with ENHANCE_YOUR_CALM."""
    for number in range(5 * EXCESS):
        if not connection.send_until_closed(flood(number)):
            break
        # Not far ahead of the server, or nobody could tell.
        if number % 50 == 49 and connection.has_ended(0.005):
            break
    error = connection.goaway.error if connection.goaway else connection.goaway_error()
    assert error == h2.ENHANCE_YOUR_CALM
    return number + 1


@pytest.mark.parametrize("name", FLOODS)
def test_b7_floods_are_ended(survivor: Survivor, name: str) -> None:
    """With GOAWAY, before 1,000 excess frames."""
    with RawConnection(survivor.server.grpc_port) as connection:
        taken = frames_taken(connection, FLOODS[name])
    report(f"B7: {name}: ended within {taken} frames")
    assert taken <= EXCESS * 1.5  # of which some were on their way


def test_b7_a_flood_of_good_calls_is_none(survivor: Survivor) -> None:
    """A client that asks much, and waits for its answers, is served for ever."""
    with RawConnection(survivor.server.grpc_port) as connection:
        for number in range(3 * EXCESS):
            stream = stream_of(number)
            connection.send(call_head(stream) + frame(h2.DATA, h2.END_STREAM, stream, BODY))
            if number % 100 == 99:
                connection.read_end(stream)
                connection.send(frame(h2.WINDOW_UPDATE, 0, 0, u32(50_000)))


def test_b7_continuation_without_end(survivor: Survivor) -> None:
    """CVE-2024-27316."""
    with RawConnection(survivor.server.grpc_port) as connection:
        connection.send(frame(h2.HEADERS, 0, 1, h2.call_fields()))
        padding = frame(h2.CONTINUATION, 0, 1, h2.field("x", "y" * 100))
        for _ in range(HEADERS_BYTES // len(padding)):
            if not connection.send_until_closed(padding):
                break
        assert connection.goaway_error() == h2.ENHANCE_YOUR_CALM


def test_b7_header_block_too_large(survivor: Survivor) -> None:
    """A little too much is answered."""
    block = h2.call_fields() + h2.field("bomb", "z" * 3000) * 5
    with RawConnection(survivor.server.grpc_port) as connection:
        connection.send(frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block))
        assert connection.read_end(1).kind == h2.HEADERS


def test_b7_hpack_bomb(survivor: Survivor) -> None:
    """A small block that stands for much (CVE-2016-6581)."""
    entry = b"\x40" + h2.field("bomb", "z" * 3000)[1:]  # to the dynamic table: index 62
    block = h2.call_fields() + entry + b"\xbe" * 4000
    with RawConnection(survivor.server.grpc_port) as connection:
        connection.send(frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block))
        assert connection.goaway_error() == h2.ENHANCE_YOUR_CALM


def test_b7_a_window_that_stays_shut(survivor: Survivor) -> None:
    """Answers that nobody takes hold no thread and no slot for others."""
    shut = struct.pack(">HI", h2.INITIAL_WINDOW_SIZE, 0)
    with RawConnection(survivor.server.grpc_port, shut) as connection:
        for stream in range(1, 201, 2):
            connection.send(call_head(stream) + frame(h2.DATA, h2.END_STREAM, stream, BODY))
        connection.read_until(h2.HEADERS, 199)
        Survivor(survivor.server).check()  # beside the stalled one


def test_b7_rapid_reset_beside_normal_traffic(survivor: Survivor) -> None:
    """An attacker who comes again and again takes nobody's share."""
    port = survivor.server.http_port
    alone = measure(port, size(2, 10))
    resets, batch = 0, b"".join(map(rapid_reset, range(200)))
    with NormalTraffic(port) as traffic:
        started = time.monotonic()
        while resets < size(10_000, 100_000) or time.monotonic() - started < size(1, 10):
            with RawConnection(survivor.server.grpc_port) as connection:
                for number in range(0, 3000, 200):
                    moved = b"".join(map(rapid_reset, range(number, number + 200)))
                    if not connection.send_until_closed(moved if number else batch):
                        break
                    resets += 200
        lasted_s = time.monotonic() - started
    rate, share = traffic.result.requests / lasted_s, alone.requests / size(2, 10)
    report(f"B7: {resets} resets in {lasted_s:.1f} s; normal p99 {alone.p99_ms:.2f} ms alone,")
    report(f"B7: {traffic.result.p99_ms:.2f} ms beside; {rate / share:.0%} of the requests")
    assert traffic.result.failed == 0
    assert rate >= 0.8 * share
