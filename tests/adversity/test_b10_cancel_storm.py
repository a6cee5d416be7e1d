# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B10: cancels and deadlines, faster than anything can be done."""

from __future__ import annotations

import struct
import time

import http2_frames as h2
from http2_frames import RawConnection, call_head, frame
from normal_traffic import NormalTraffic, measure
from sizes import report, size
from survive import Survivor, infer_request

STREAMS = 64
CANCELS = size(5_000, 50_000)
#: What one connection may do: more is a flood (B7).
A_CONNECTION = 400
BEST_S = 30.0
NOISE_MS = 20.0

BATCHED = infer_request("batcher")
BATCHED.inputs[0].shape[:] = [4, 1]
BODY = h2.message(BATCHED.SerializeToString())
GOOD = h2.message(infer_request().SerializeToString())


def call(stream: int, **fields: str) -> bytes:
    return call_head(stream, **fields) + frame(h2.DATA, h2.END_STREAM, stream, BODY)


def cancel(stream: int) -> bytes:
    return frame(h2.RST_STREAM, 0, stream, struct.pack(">I", h2.CANCEL))


def storm(connection: RawConnection, cancels: int, **fields: str) -> None:
    """Up to 64 calls are open; each is cancelled. Then a good one, which must be answered."""
    streams = range(1, 2 * cancels, 2)
    for at in range(0, cancels, STREAMS):
        some = streams[at : at + STREAMS]
        connection.send(b"".join(call(stream, **fields) for stream in some))
        connection.send(b"".join(map(cancel, some)))
    last = 2 * cancels + 1
    connection.send(call_head(last) + frame(h2.DATA, h2.END_STREAM, last, GOOD))
    connection.read_until(h2.DATA, last)


def test_b10_cancels(survivor: Survivor) -> None:
    port = survivor.server.http_port
    alone = measure(port, size(2, 10))
    with NormalTraffic(port) as traffic:
        started = time.monotonic()
        for _ in range(CANCELS // A_CONNECTION):
            with RawConnection(survivor.server.grpc_port) as connection:
                storm(connection, A_CONNECTION)
        lasted_s = time.monotonic() - started
    report(f"B10: {CANCELS} cancels in {lasted_s:.1f} s; normal p99 {alone.p99_ms:.2f} ms alone,")
    report(f"B10: {traffic.result.p99_ms:.2f} ms beside")
    assert lasted_s <= BEST_S
    assert traffic.result.failed == 0
    assert traffic.result.p99_ms <= 2 * alone.p99_ms + NOISE_MS


def test_b10_deadlines(survivor: Survivor) -> None:
    """Deadlines of a millisecond, cancelled or left to pass."""
    for number in range(CANCELS // 10 // A_CONNECTION + 1):
        with RawConnection(survivor.server.grpc_port) as connection:
            if number % 2:
                storm(connection, A_CONNECTION, grpc_timeout="1m")
                continue
            streams = range(1, 2 * STREAMS, 2)
            connection.send(b"".join(call(stream, grpc_timeout="1m") for stream in streams))
            for _ in streams:
                while True:
                    found = connection.read()
                    assert found is not None
                    if found.kind == h2.RST_STREAM or found.flags & h2.END_STREAM:
                        break
