# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Abuse of the gRPC port: floods, bombs, malformed frames and messages, clients that vanish."""

from __future__ import annotations

import gzip
import os
import random
import struct
import time
from collections.abc import Callable, Iterator

import grpc
import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame, message
from server_process import ServerProcess
from survive import MIB, Survivor, infer_request

#: The full sizes; without it those that every change can afford.
FULL = os.environ.get("PENSTOCK_ADVERSITY") == "full"

BODY = infer_request().SerializeToString()
BATCHED = infer_request("batcher")
BATCHED.inputs[0].shape[:] = [4, 1]
SLOW = infer_request("slow")
SLOW.inputs[0].shape[:] = [1, 4]


@pytest.fixture(scope="module")
def baseline(server: ServerProcess) -> Survivor:
    return Survivor(server)


@pytest.fixture
def survivor(baseline: Survivor) -> Iterator[Survivor]:
    baseline.mark()
    yield baseline
    baseline.check(max_growth_bytes=16 * MIB)


def ended_calmly(connection: RawConnection, flood: Callable[[int], bytes], frames: int) -> bool:
    """Floods until the server has enough; did it say ENHANCE_YOUR_CALM?"""
    for number in range(frames):
        if not connection.send_until_closed(flood(number)):
            break
    return connection.goaway_error() == h2.ENHANCE_YOUR_CALM


def rapid_reset(number: int) -> bytes:
    stream = 2 * number + 1
    reset = frame(h2.RST_STREAM, 0, stream, struct.pack(">I", h2.CANCEL))
    return call_head(stream) + reset


def made_you_reset(number: int) -> bytes:
    """A stream that the server must reset: a window that overflows (CVE-2025-8671)."""
    stream = 2 * number + 1
    overflow = frame(h2.WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7FFFFFFF))
    return call_head(stream) + overflow


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(rapid_reset, id="rapid-reset"),
        pytest.param(made_you_reset, id="made-you-reset"),
        pytest.param(lambda number: frame(h2.PING, 0, 0, bytes(8)), id="ping"),
        pytest.param(lambda number: frame(h2.SETTINGS), id="settings"),
        pytest.param(lambda number: frame(h2.PRIORITY, 0, 2 * number + 1, bytes(5)), id="priority"),
        pytest.param(
            lambda number: frame(h2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)), id="window-update"
        ),
        pytest.param(
            lambda number: call_head(1) if number == 0 else frame(h2.DATA, 0, 1), id="empty-data"
        ),
    ],
)
def test_floods_are_ended(
    server: ServerProcess, survivor: Survivor, flood: Callable[[int], bytes]
) -> None:
    """B7: before 1,000 excess frames, with GOAWAY."""
    with RawConnection(server.grpc_port) as connection:
        assert ended_calmly(connection, flood, 2000)


def test_continuation_without_end(server: ServerProcess, survivor: Survivor) -> None:
    """B7, CVE-2024-27316."""
    with RawConnection(server.grpc_port) as connection:
        connection.send(frame(h2.HEADERS, 0, 1, h2.call_fields()))
        padding = h2.field("x", "y" * 100)
        assert ended_calmly(connection, lambda number: frame(h2.CONTINUATION, 0, 1, padding), 1000)


@pytest.mark.parametrize("indexed", [False, True])
def test_header_bombs(server: ServerProcess, survivor: Survivor, indexed: bool) -> None:
    """B7: also when a small block stands for much (CVE-2016-6581)."""
    value = "z" * 3000
    if indexed:
        entry = b"\x40" + h2.field("bomb", value)[1:]  # to the dynamic table: index 62
        block = h2.call_fields() + entry + b"\xbe" * 4000
    else:
        block = h2.call_fields() + h2.field("bomb", value) * 5
    with RawConnection(server.grpc_port) as connection:
        connection.send(frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block))
        if indexed:
            assert connection.goaway_error() == h2.ENHANCE_YOUR_CALM
        else:
            assert connection.read_end(1).kind == h2.HEADERS


def test_a_window_that_stays_shut(server: ServerProcess, survivor: Survivor) -> None:
    """B7: answers that nobody takes hold no thread and no slot for others."""
    shut = struct.pack(">HI", h2.INITIAL_WINDOW_SIZE, 0)
    with RawConnection(server.grpc_port, shut) as connection:
        for stream in range(1, 201, 2):
            connection.send(call_head(stream))
            connection.send(frame(h2.DATA, h2.END_STREAM, stream, message(BODY)))
        connection.read_until(h2.HEADERS, 199)
        Survivor(server).check()  # beside the stalled one


def random_frames(seed: int) -> bytes:
    """Frames that a fuzzer would send: right and wrong kinds, sizes, flags and streams."""
    chosen = random.Random(seed)
    out = bytearray()
    for _ in range(chosen.randrange(1, 12)):
        kind, flags = chosen.randrange(0, 12), chosen.randrange(0, 256)
        stream = chosen.choice((0, 1, 1, 3, 5, 2, 0x7FFFFFFF))
        payload = chosen.choice(
            (b"", bytes(5), h2.call_fields(), chosen.randbytes(chosen.randrange(64)), BODY)
        )
        made = frame(kind, flags, stream, payload)
        if chosen.random() < 0.2:
            made = struct.pack(">I", chosen.randrange(1 << 20))[1:] + made[3:]
        out += made
    return bytes(out)


def test_random_frames(server: ServerProcess, survivor: Survivor) -> None:
    """A6: whatever comes, the connection ends or the frames are skipped."""
    for seed in range(10_000 if FULL else 300):
        with RawConnection(server.grpc_port) as connection:
            connection.send_until_closed(random_frames(seed))


def random_body(seed: int) -> bytes:
    """A request with some of its bytes changed, cut or doubled."""
    chosen = random.Random(seed)
    body = bytearray(BODY)
    for _ in range(chosen.randrange(1, 6)):
        at = chosen.randrange(len(body))
        if chosen.random() < 0.7:
            body[at] = chosen.randrange(256)
        elif chosen.random() < 0.5:
            del body[at : at + chosen.randrange(1, 8)]
        else:
            body[at:at] = body[: chosen.randrange(1, 32)]
        if not body:
            break
    return bytes(body)


def test_random_messages(server: ServerProcess, survivor: Survivor) -> None:
    """A6: never INTERNAL, and the connection goes on."""
    with grpc.insecure_channel(server.grpc_url) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for seed in range(10_000 if FULL else 1000):
            try:
                call(random_body(seed), timeout=20)
            except grpc.RpcError as error:
                assert error.code() in (
                    grpc.StatusCode.INVALID_ARGUMENT,
                    grpc.StatusCode.UNIMPLEMENTED,
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                ), f"seed {seed}: {error.code()} {error.details()}"


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        pytest.param(message(BODY, flags=2), {}, id="flags"),
        pytest.param(message(BODY, length=len(BODY) + 1), {}, id="length-long"),
        pytest.param(message(BODY, length=3), {}, id="length-short"),
        pytest.param(message(b"", length=0x80000000), {}, id="length-2G"),
        pytest.param(message(BODY, length=0xFFFFFFFF), {}, id="length-4G"),
        pytest.param(message(BODY)[:3], {}, id="cut-prefix"),
        pytest.param(b"", {}, id="no-message"),
        pytest.param(message(BODY) * 2, {}, id="two-messages"),
        pytest.param(message(BODY, flags=1), {}, id="compressed-identity"),
        pytest.param(message(BODY, flags=1), {"grpc_encoding": "gzip"}, id="no-gzip"),
        pytest.param(
            message(gzip.compress(BODY)[:-9], flags=1), {"grpc_encoding": "gzip"}, id="cut-gzip"
        ),
        pytest.param(message(BODY), {"grpc_encoding": "snappy"}, id="encoding"),
        pytest.param(message(BODY), {"grpc_timeout": "-1S"}, id="timeout-negative"),
        pytest.param(message(BODY), {"grpc_timeout": "1X"}, id="timeout-unit"),
        pytest.param(message(BODY), {"content_type": "text/html"}, id="content-type"),
        pytest.param(message(BODY), {":method": "PUT"}, id="method"),
        pytest.param(message(BODY), {":path": "/no/such"}, id="path"),
    ],
)
def test_malformed_calls(
    server: ServerProcess, survivor: Survivor, data: bytes, fields: dict[str, str]
) -> None:
    """A6: refused, and the connection serves the next call."""
    path = fields.pop(":path", "/inference.GRPCInferenceService/ModelInfer")
    with RawConnection(server.grpc_port) as connection:
        connection.send(call_head(1, path, **fields))
        connection.send(frame(h2.DATA, h2.END_STREAM, 1, data))
        connection.read_end(1)
        connection.send(call_head(3))
        connection.send(frame(h2.DATA, h2.END_STREAM, 3, message(BODY)))
        assert connection.read_until(h2.DATA, 3).payload[0] == 0


@pytest.mark.parametrize("fields", [{"te": ""}, {"grpc_timeout": "99999999H"}])
def test_odd_calls_are_served(
    server: ServerProcess, survivor: Survivor, fields: dict[str, str]
) -> None:
    with RawConnection(server.grpc_port) as connection:
        connection.send(call_head(1, **fields))
        connection.send(frame(h2.DATA, h2.END_STREAM, 1, message(BODY)))
        connection.read_until(h2.DATA, 1)


def test_a_client_that_vanishes(server: ServerProcess, survivor: Survivor) -> None:
    """B9: with 32 requests in flight, queued or executing; the server is as before."""
    body = message(BATCHED.SerializeToString())
    for _ in range(1000 if FULL else 150):
        with RawConnection(server.grpc_port) as connection:
            calls = b"".join(
                call_head(stream) + frame(h2.DATA, h2.END_STREAM, stream, body)
                for stream in range(1, 65, 2)
            )
            connection.send(calls)
            connection.read()  # the server's SETTINGS: it has begun to read


def test_a_stream_whose_client_vanishes(server: ServerProcess, survivor: Survivor) -> None:
    """B9, G-27."""
    path = "/inference.GRPCInferenceService/ModelStreamInfer"
    body = message(BATCHED.SerializeToString())
    for _ in range(1000 if FULL else 100):
        with RawConnection(server.grpc_port) as connection:
            connection.send(call_head(1, path) + frame(h2.DATA, 0, 1, body * 32))
            connection.read()


def test_cancelled_while_queued_is_never_executed(
    server: ServerProcess, survivor: Survivor
) -> None:
    """B9, G-28."""
    key = 'nv_inference_request_failure{model="slow",reason="CANCELED",version="1"}'
    before = server.metrics()[key]
    body = message(SLOW.SerializeToString())
    with RawConnection(server.grpc_port) as connection:
        for stream in range(1, 21, 2):
            connection.send(call_head(stream) + frame(h2.DATA, h2.END_STREAM, stream, body))
        connection.read()
    deadline = time.monotonic() + 10
    while server.metrics()[key] < before + 9:
        assert time.monotonic() < deadline, server.metrics()[key] - before
        time.sleep(0.05)


def test_a_storm_of_cancels_and_deadlines(server: ServerProcess, survivor: Survivor) -> None:
    """B10, within what one connection may do."""
    body = message(BATCHED.SerializeToString())
    reset = struct.pack(">I", h2.CANCEL)
    for _ in range(50 if FULL else 5):
        with RawConnection(server.grpc_port) as connection:
            for stream in range(1, 401, 2):
                connection.send(
                    call_head(stream, grpc_timeout="1m")
                    + frame(h2.DATA, h2.END_STREAM, stream, body)
                    + frame(h2.RST_STREAM, 0, stream, reset)
                )
            connection.send(call_head(401) + frame(h2.DATA, h2.END_STREAM, 401, message(BODY)))
            connection.read_until(h2.DATA, 401)


def test_a_bomb_in_a_message(server: ServerProcess) -> None:
    """B5: what a message becomes is bounded, and its memory is used again."""
    data = message(gzip.compress(bytes(32 * MIB)), flags=1)

    def send_bomb() -> None:
        with RawConnection(server.grpc_port) as connection:
            connection.send(call_head(1, grpc_encoding="gzip"))
            for at in range(0, len(data), 16384):
                flags = h2.END_STREAM if at + 16384 >= len(data) else 0
                connection.send(frame(h2.DATA, flags, 1, data[at : at + 16384]))
            connection.read_end(1)

    send_bomb()
    survivor = Survivor(server)
    for _ in range(100 if FULL else 5):
        send_bomb()
    survivor.check(max_growth_bytes=1 * MIB)


def test_connections_come_and_go(server: ServerProcess, survivor: Survivor) -> None:
    """B8."""
    for number in range(20_000 if FULL else 1000):
        with RawConnection(server.grpc_port) as connection:
            if number % 2:
                connection.send(call_head(1))
