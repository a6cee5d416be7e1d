# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""HTTP on a Unix socket (`--http-address unix:<path>`), by several event loops."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest
from server_process import START_DEADLINE_S, ServerProcess

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
METADATA = LIVE.replace(b"/v2/health/live", b"/v2")


def ask(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(request)
        reply = b""
        while part := client.recv(65536):
            reply += part
        return reply


def wait_listening(server: ServerProcess, path: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        assert server.running.poll() is None, server.log
        try:
            if ask(path, LIVE).startswith(b"HTTP/1.1 200"):
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(server.log)


@pytest.mark.parametrize("plane", ["native", "python"])
def test_a_unix_socket(repository: Path, tmp_path: Path, plane: str) -> None:
    path = tmp_path / "http"
    options = [f"--http-address=unix:{path}", f"--data-plane={plane}", "--allow-grpc=false"]
    options += ["--http-thread-count=2", "--model-control-mode=explicit"]
    for _ in range(2):  # what a server that was killed leaves behind is replaced
        server = ServerProcess(repository, tmp_path / "log", *options)
        server.start()
        try:
            wait_listening(server, path)
            assert ask(path, METADATA).startswith(b"HTTP/1.1 200 OK\r\n")
            other = ServerProcess(repository, tmp_path / "other", *options)
            other.start()
            assert other.running.wait(START_DEADLINE_S) == 1
            assert f"Socket 'unix:{path}' already in use " in other.log
        finally:
            server.kill()
    server = ServerProcess(repository, tmp_path / "log", *options)
    server.start()
    try:
        wait_listening(server, path)
        assert server.stop(signal.SIGTERM) == 0, server.log
    finally:
        server.kill()
