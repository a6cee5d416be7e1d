# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A real server process, started with the command that a user types."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 20.0
_POLL_S = 0.02


def _own_ports() -> Iterator[int]:
    """Below those that the kernel gives to clients, and apart from other test processes'."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + 2_000 * (worker % 10)
    start = random.randrange(2_000)  # of another run beside this one
    return (first + (start + step) % 2_000 for step in itertools.count())


_PORTS = _own_ports()


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, each given once in a long while."""
    ports: list[int] = []
    while len(ports) < count:
        port = next(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.append(port)
    return ports


@dataclass(frozen=True)
class Reply:
    """An HTTP reply as it came."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        value: str = self.json["error"]
        return value


class ServerProcess:
    """`python -m penstock serve` on ports of its own. A context manager: started, then stopped."""

    def __init__(self, repository: Path, log: Path, *options: str) -> None:
        self.http_port, self.grpc_port, self.metrics_port = free_ports(3)
        self.log_path = log
        self.command = [
            sys.executable,
            "-m",
            "penstock",
            "serve",
            f"--model-repository={repository}",
            f"--http-port={self.http_port}",
            f"--grpc-port={self.grpc_port}",
            f"--metrics-port={self.metrics_port}",
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None
        #: what request() speaks TLS with, if the server does
        self.tls: ssl.SSLContext | None = None
        #: the server's temporary files
        self.temporary = log.parent / "temporary"

    @property
    def http_url(self) -> str:
        return f"127.0.0.1:{self.http_port}"

    @property
    def grpc_url(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def __enter__(self) -> ServerProcess:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.running.poll() is None:
                assert self.stop() == 0, self.log
        finally:
            self.kill()

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def start(self) -> None:
        """Starts the process and does not wait for anything."""
        self.temporary.mkdir(exist_ok=True)
        environment = os.environ | {"LC_ALL": "C", "TMPDIR": str(self.temporary)}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    def wait_ready(self) -> None:
        """Polls the health endpoint until it says ready; the process must stay alive meanwhile."""
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            code = self.running.poll()
            assert code is None, f"the server ended with {code}:\n{self.log}"
            try:
                if self.request("GET", "/v2/health/ready").status == 200:
                    return
            except OSError:
                pass
            time.sleep(_POLL_S)
        raise AssertionError(f"the server is not ready after {START_DEADLINE_S} s:\n{self.log}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks for a graceful stop and returns the exit code."""
        self.running.send_signal(number)
        return self.running.wait(STOP_DEADLINE_S)

    def kill(self) -> None:
        """Ends the process if it still runs."""
        if self.running.poll() is None:
            self.running.kill()
            self.running.wait()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        tls: ssl.SSLContext | EllipsisType | None = ...,
    ) -> Reply:
        """One HTTP request; a body that is neither bytes nor text is sent as JSON.

        `tls`: None for plain text; not given: as the server's HTTP port is.
        """
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
        context = self.tls if isinstance(tls, EllipsisType) and port is None else tls
        where = ("127.0.0.1", port or self.http_port)
        connection: http.client.HTTPConnection
        if isinstance(context, ssl.SSLContext):
            connection = http.client.HTTPSConnection(*where, timeout=20, context=context)
        else:
            connection = http.client.HTTPConnection(*where, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Every sample of a scrape: the text before the value -> value."""
        text = self.request("GET", "/metrics", port=self.metrics_port).body.decode()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


#: Starts a server with options; the fixture of that name ends it.
Serve = Callable[..., ServerProcess]
