# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`--short-work-first`: threads that answer in microseconds go first, where that is permitted."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from model_repository import write_identity
from server_process import ServerProcess


def body(count: int) -> bytes:
    """A request of so many numbers."""
    tensor = {"name": "INPUT0", "shape": [count], "datatype": "FP32", "data": [1.5] * count}
    return json.dumps({"inputs": [tensor]}).encode()


SMALL = body(1)
LARGE = body(100_000)


@pytest.fixture(scope="module")
def quick_and_slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_identity(root, "quick", dims="-1")
    write_identity(root, "slow", dims="-1", delay_ms=5)
    return root


def policies(server: ServerProcess) -> dict[str, set[int]]:
    """The scheduling policies of the server's threads, by the threads' names."""
    found: dict[str, set[int]] = {}
    for task in Path(f"/proc/{server.running.pid}/task").iterdir():
        policy = os.sched_getscheduler(int(task.name)) & ~os.SCHED_RESET_ON_FORK
        found.setdefault((task / "comm").read_text().strip(), set()).add(policy)
    return found


def permitted() -> bool:
    """May a process like this one give a thread of its own precedence?"""

    def attempt() -> bool:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # 0: this thread
        except PermissionError:
            return False
        return True

    with ThreadPoolExecutor(1) as thread:  # ends with it
        return thread.submit(attempt).result()


@pytest.fixture(autouse=True)
def only_where_it_is_permitted() -> None:
    if not permitted():
        pytest.skip("the system does not permit it here")


def ask(server: ServerProcess, model: str, request: bytes = SMALL) -> None:
    for _ in range(10):
        assert server.request("POST", f"/v2/models/{model}/infer", request).status == 200


def ask_until_door_is(policy: int, server: ServerProcess, request: bytes) -> None:
    """A door's policy changes after its round, maybe after the client has its response."""
    deadline = time.monotonic() + 10
    while policies(server)["http-door"] != {policy}:
        assert time.monotonic() < deadline
        ask(server, "quick", request)


def test_doors_and_quick_models_go_first(quick_and_slow: Path, tmp_path: Path) -> None:
    """What computes for longer keeps its place, and so does Python."""
    with ServerProcess(quick_and_slow, tmp_path / "log") as server:
        ask(server, "slow")
        found = policies(server)
        deadline = time.monotonic() + 10
        # On a busy machine a batch may have taken long.
        while found["quick"] != {os.SCHED_RR} and time.monotonic() < deadline:
            ask(server, "quick")
            found = policies(server)
    assert found["http-door"] == {os.SCHED_RR}
    assert found["quick"] == {os.SCHED_RR}
    assert found["slow"] == {os.SCHED_OTHER}
    assert found["python"] == {os.SCHED_OTHER}


def test_a_door_that_moves_large_bodies_does_not(quick_and_slow: Path, tmp_path: Path) -> None:
    with ServerProcess(quick_and_slow, tmp_path / "log") as server:
        ask_until_door_is(os.SCHED_RR, server, SMALL)
        ask_until_door_is(os.SCHED_OTHER, server, LARGE)
        ask_until_door_is(os.SCHED_RR, server, SMALL)


def test_nobody_does_when_it_is_off(quick_and_slow: Path, tmp_path: Path) -> None:
    options = ["--short-work-first=false"]
    with ServerProcess(quick_and_slow, tmp_path / "log", *options) as server:
        ask(server, "quick")
        assert set().union(*policies(server).values()) == {os.SCHED_OTHER}
