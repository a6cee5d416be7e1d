# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Our server and the bare echoes, started for a measurement."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load.rounds import Target
from benchmarks.processes import SERVER_CORE, Server, free_ports
from benchmarks.programs import program


@functools.cache
def data_planes() -> tuple[str, ...]:
    """What --data-plane can be: the default first; ("",) for a build without the option."""
    command = (sys.executable, "-m", "penstock", "serve", "--help")
    usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return ("native", "python") if "--data-plane" in usage else ("",)


def start_penstock(
    *repositories: Path,
    name: str = "penstock",
    python: str = "",
    data_plane: str = "",
    options: Sequence[str] = (),
    cores: Sequence[int] = (SERVER_CORE,),
) -> Target:
    """`python -m penstock serve` on the repositories; `python` names another interpreter."""
    http, grpc, metrics = free_ports(3)
    command = [
        *(python or sys.executable, "-m", "penstock", "serve"),
        *(f"--model-repository={repository}" for repository in repositories),
        f"--http-port={http}",
        f"--grpc-port={grpc}",
        f"--metrics-port={metrics}",
        *options,
    ]
    if data_plane:
        command.append(f"--data-plane={data_plane}")
    log = "-".join(filter(None, (name, data_plane))).lower()
    target = Target(name, Server(log, command, cores=cores), http, grpc)
    _ready(target, "v2/health/ready")
    return target


def start_floors() -> Target:
    """The bare echoes of floors.py; any path is answered."""
    http, grpc = free_ports(2)
    command = [
        *(sys.executable, "-m", "benchmarks.load.floors"),
        f"--http-port={http}",
        f"--grpc-port={grpc}",
    ]
    target = Target("bare echo", Server("floors", command), http, grpc)
    _ready(target, "")
    return target


def start_socket_echo() -> Target:
    """The bare echo of echo.cc; HTTP only, any path is answered."""
    (port,) = free_ports(1)
    command = [str(program("load/penstock_echo")), str(port)]
    target = Target("socket echo", Server("socket-echo", command), port, 0)
    _ready(target, "")
    return target


def _ready(target: Target, path: str) -> None:
    try:
        target.server.wait_ready(f"http://127.0.0.1:{target.http_port}/{path}")
    except BaseException:
        target.server.stop()
        raise
