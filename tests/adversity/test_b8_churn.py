# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B8: connections that come and go."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from pathlib import Path

import pytest
from certificates import Authority
from http2_frames import RawConnection, call_head
from raw_http import LIVE, RawHttp
from server_process import ServerProcess
from sizes import FULL, report, size
from survive import Serve, Survivor

HANDSHAKE_S = 10.0


def test_b8_http(survivor: Survivor) -> None:
    """Silent, in the middle of a head, behind an answer; closed and reset."""
    started = time.monotonic()
    for number in range(size(2_000, 100_000)):
        client = RawHttp(survivor.server.http_port)
        if number % 4:
            client.send(LIVE[:20])
        if number % 20 == 0:
            client.use()
        client.leave(reset=number % 2 == 0)
    report(f"B8: HTTP: {(time.monotonic() - started) / (number + 1) * 1e6:.0f} us each")


def test_b8_grpc(survivor: Survivor) -> None:
    for number in range(size(1_000, 100_000)):
        with RawConnection(survivor.server.grpc_port) as connection:
            if number % 2:
                connection.send(call_head(1))


class _Tls:
    def __init__(self, serve: Serve, directory: Path) -> None:
        authority = Authority(directory)
        certificate, key = authority.issue("server")
        options = []
        for protocol in ("http", "grpc"):
            options += [f"--{protocol}-use-ssl=true", f"--{protocol}-server-cert={certificate}"]
            options.append(f"--{protocol}-server-key={key}")
        self.context = ssl.create_default_context(cafile=authority.root)
        self.server: ServerProcess = serve(*options, tls=self.context)


@pytest.fixture(scope="module")
def tls(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> _Tls:
    return _Tls(serve, tmp_path_factory.mktemp("certificates"))


def descriptors(server: ServerProcess) -> int:
    return sum(1 for _ in Path(f"/proc/{server.running.pid}/fd").iterdir())


def test_b8_tls_handshakes(tls: _Tls) -> None:
    """Whole, and broken off."""
    live = tls.server.request
    assert live("GET", "/v2/health/live").status == 200
    before = descriptors(tls.server)
    for number in range(size(200, 20_000)):
        plain = socket.create_connection(("127.0.0.1", tls.server.http_port), timeout=20)
        if number % 4:
            tls.context.wrap_socket(plain, server_hostname="localhost").close()
        else:
            plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            plain.close()
    assert live("GET", "/v2/health/live").status == 200
    await_descriptors(tls.server, before)


@pytest.mark.skipif(not FULL, reason="takes the 10 s of the bound: PENSTOCK_FULL=1")
def test_b8_half_tls_handshakes(tls: _Tls) -> None:
    """Who does not finish the handshake is ended, whatever else the server does."""
    before = descriptors(tls.server)
    started = time.monotonic()
    clients = [socket.create_connection(("127.0.0.1", tls.server.http_port)) for _ in range(100)]
    for client in clients:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    for client in clients:
        client.settimeout(HANDSHAKE_S + 5)
        with contextlib.suppress(ConnectionError):
            assert client.recv(100) == b""
        client.close()
    report(f"B8: half handshakes ended after {time.monotonic() - started:.1f} s")
    await_descriptors(tls.server, before)


def await_descriptors(server: ServerProcess, count: int) -> None:
    deadline = time.monotonic() + 5
    while descriptors(server) > count:
        assert time.monotonic() < deadline, f"{descriptors(server)} instead of {count}"
        time.sleep(0.05)
