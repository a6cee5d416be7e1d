# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B2: a server that is out of descriptors, or of connections, says so and serves on."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_http import RawHttp
from server_process import ServerProcess
from sizes import report, size
from survive import Serve, Survivor

DESCRIPTORS = 256
KEPT = 20
FLOOD = size(400, 1000)
FULL_S = size(2, 5)
RECOVERY_S = 1.0


@pytest.fixture(scope="module")
def small(serve: Serve) -> ServerProcess:
    return serve(prefix=("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"))


@contextlib.contextmanager
def flood(port: int) -> Iterator[list[socket.socket]]:
    """Connections that nothing is asked of."""
    sockets = []
    try:
        for _ in range(FLOOD):
            sockets.append(socket.create_connection(("127.0.0.1", port), timeout=10))
        yield sockets
    finally:
        for one in sockets:
            one.close()


def told(sockets: list[socket.socket]) -> Iterator[bytes]:
    """What came, of those that anything came to: a reply, or the end."""
    for one in sockets:
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            try:
                yield one.recv(4096)
            except ConnectionError:
                yield b""


def cpu_s(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_b2_out_of_descriptors_http(small: ServerProcess) -> None:
    """Who is connected is served, who comes is told 503, and nothing spins."""
    survivor = Survivor(small)
    kept = [RawHttp(small.http_port) for _ in range(KEPT)]
    for client in kept:
        client.use()
    with flood(small.http_port) as sockets:
        before, started = cpu_s(small), time.monotonic()
        while time.monotonic() - started < FULL_S:
            time.sleep(FULL_S / 10)
            for client in kept:
                client.use()
        used = (cpu_s(small) - before) / (time.monotonic() - started)
        refused = sum(text.startswith(b"HTTP/1.1 503 ") for text in told(sockets))
    freed = time.monotonic()
    kept.append(RawHttp(small.http_port))
    kept[-1].use()
    recovery_s = time.monotonic() - freed
    for client in kept:
        client.close()
    report(f"B2: {refused} of {FLOOD} told 503, CPU {used:.1%} while full, back {recovery_s:.3f} s")
    assert refused >= FLOOD - DESCRIPTORS
    assert used < 0.2
    assert recovery_s <= RECOVERY_S
    survivor.check()


def test_b2_out_of_descriptors_grpc(small: ServerProcess) -> None:
    """The same, but that a gRPC client is closed without a word."""
    survivor = Survivor(small)
    with flood(small.grpc_port) as sockets:
        before, started = cpu_s(small), time.monotonic()
        time.sleep(FULL_S)
        used = (cpu_s(small) - before) / (time.monotonic() - started)
        closed = sum(text == b"" for text in told(sockets))
    report(f"B2: {closed} of {FLOOD} gRPC connections closed, CPU {used:.1%} while full")
    assert closed >= FLOOD - DESCRIPTORS
    assert used < 0.2
    survivor.check()


def test_b2_more_connections_than_allowed(serve: Serve) -> None:
    """The bound on connections: 503 with Retry-After."""
    server = serve("--http-max-connections=150")
    survivor = Survivor(server)
    clients = [RawHttp(server.http_port) for _ in range(160)]
    statuses = [client.reply()[0] for client in clients[150:]]
    for client in clients:
        client.close()
    assert statuses == [503] * 10
    survivor.check()
