# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What time does to gRPC connections: keep-alive, age, strikes, and the end of the server."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame, message
from model_repository import write_repository
from server_process import ServerProcess
from survive import infer_request

KEEPALIVE = (
    "--grpc-keepalive-time=300",
    "--grpc-keepalive-timeout=300",
    "--grpc-keepalive-permit-without-calls=true",
    "--grpc-http2-min-recv-ping-interval-without-data=60000",
    "--grpc-http2-max-ping-strikes=3",
)
AGE = ("--grpc-max-connection-age=500", "--grpc-max-connection-age-grace=1000")
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


def serve(tmp: Path, *options: str) -> ServerProcess:
    write_repository(tmp / "models")
    chosen = ("--model-control-mode=explicit", "--load-model=labelled", "--load-model=slow")
    return ServerProcess(tmp / "models", tmp / "log", *chosen, *options)


@pytest.fixture(scope="module")
def pinging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serve(tmp_path_factory.mktemp("keepalive"), *KEEPALIVE) as started:
        yield started


def test_a_client_that_answers_pings_stays(pinging: ServerProcess) -> None:
    """O-40."""
    with RawConnection(pinging.grpc_port) as connection:
        for _ in range(3):
            ping = connection.read_until(h2.PING)
            assert not ping.flags & h2.ACK
            connection.send(frame(h2.PING, h2.ACK, 0, ping.payload))
        connection.send(call_head(1))
        body = message(infer_request().SerializeToString())
        connection.send(frame(h2.DATA, h2.END_STREAM, 1, body))
        connection.read_until(h2.DATA, 1)


def test_a_client_that_does_not_is_closed(pinging: ServerProcess) -> None:
    """O-41."""
    with RawConnection(pinging.grpc_port) as connection:
        connection.read_until(h2.PING)
        started = time.monotonic()
        while connection.read() is not None:
            pass
        assert time.monotonic() - started < 3


def test_ping_strikes(pinging: ServerProcess) -> None:
    """O-44, O-45: the fifth PING is one too many."""
    with RawConnection(pinging.grpc_port) as connection:
        for _ in range(4):
            connection.send(frame(h2.PING, 0, 0, b"12345678"))
            while not (answer := connection.read_until(h2.PING)).flags & h2.ACK:
                pass
            assert answer.payload == b"12345678"
        connection.send(frame(h2.PING, 0, 0, bytes(8)))
        assert connection.goaway_error() == h2.ENHANCE_YOUR_CALM


def test_old_connections_end(tmp_path: Path) -> None:
    """O-46: GOAWAY at the age; what still runs after the grace is cut."""
    with serve(tmp_path, *AGE) as server, RawConnection(server.grpc_port) as connection:
        connection.send(call_head(1, STREAM))
        goaway = connection.read_until(h2.GOAWAY)
        assert goaway.error == h2.NO_ERROR
        started = time.monotonic()
        while connection.read() is not None:
            pass
        assert 0.5 < time.monotonic() - started < 3


def test_the_end_of_the_server(tmp_path: Path) -> None:
    """D10: what runs is answered; idle connections do not hold up the end."""
    with serve(tmp_path) as server:
        request = infer_request("slow")
        request.inputs[0].shape[:] = [1, 4]
        body = message(request.SerializeToString())
        with RawConnection(server.grpc_port) as idle, RawConnection(server.grpc_port) as busy:
            idle.read_until(h2.SETTINGS)
            busy.send(call_head(1) + frame(h2.DATA, h2.END_STREAM, 1, body))
            busy.send(frame(h2.PING, 0, 0, bytes(8)))
            busy.read_until(h2.PING)  # the call has arrived
            started = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - started < 3
            goaway = idle.read_until(h2.GOAWAY)
            assert goaway.error == h2.NO_ERROR
            assert struct.unpack(">I", goaway.payload[:4])[0] in (0, 0x7FFFFFFF)
            assert busy.read_until(h2.DATA, 1).payload
