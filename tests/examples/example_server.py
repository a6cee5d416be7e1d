# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A server on examples/models, started as a user starts it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "examples" / "models"
START_TIMEOUT_S = 60.0

#: the console script `penstock`, of the Python that runs the tests
COMMAND = "import sys; from penstock.cli.main import main; sys.exit(main())"


@dataclass(frozen=True)
class Server:
    """Where the running server listens."""

    http: str
    grpc: str
    metrics: str


def free_addresses(count: int) -> list[str]:
    """Loopback addresses, host:port, that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]


def wait_until_ready(process: subprocess.Popen[bytes], server: Server) -> None:
    """Polls readiness; raises when the server ends or takes too long."""
    give_up = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up:
        assert process.poll() is None, f"the server ended with status {process.returncode}"
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://{server.http}/v2/health/ready", timeout=1).close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"not ready within {START_TIMEOUT_S} s")


@contextlib.contextmanager
def serving(repository: Path) -> Iterator[Server]:
    """A server on the repository, as a user starts it; it must end cleanly too."""
    server = Server(*free_addresses(3))
    ports = [address.rpartition(":")[2] for address in (server.http, server.grpc, server.metrics)]
    command = [sys.executable, "-c", COMMAND, "serve"]
    command += ["--model-repository", str(repository), "--http-port", ports[0]]
    command += ["--grpc-port", ports[1], "--metrics-port", ports[2]]
    with subprocess.Popen(command) as process:
        try:
            wait_until_ready(process, server)
            yield server
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=40) == 0
        finally:
            process.kill()
