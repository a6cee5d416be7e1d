# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""C1-C7: models that crash, hang, leak and flood harm their own worker process and nothing else."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_process import Reply, ServerProcess
from worker_models import write_worker_models

PATIENCE_S = 30.0
KILLS = 10


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workers")
    write_worker_models(root)
    return root


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with _server(repository, tmp_path_factory.mktemp("log")) as started:
        yield started


def _server(repository: Path, folder: Path) -> ServerProcess:
    options = ["--model-control-mode=explicit", "--strict-readiness=false", "--exit-on-error=false"]
    options += [f"--load-model={path.name}" for path in sorted(repository.iterdir())]
    return ServerProcess(repository, folder / "server.log", *options)


def infer(server: ServerProcess, model: str, value: int) -> Reply:
    body = {"inputs": [{"name": "IN", "shape": [1, 1], "datatype": "INT32", "data": [value]}]}
    return server.request("POST", f"/v2/models/{model}/infer", json.dumps(body).encode())


def ready(server: ServerProcess, model: str) -> bool:
    return server.request("GET", f"/v2/models/{model}/ready").status == 200


def workers(server: ServerProcess) -> dict[str, list[int]]:
    """Process ids by model, of all workers of the server."""
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            directory = (entry / "environ").read_bytes()
        except OSError:
            continue
        if parent == server.running.pid:
            name = next(
                (v for v in directory.split(b"\0") if v.startswith(b"PENSTOCK_INSTANCE=")), b""
            )
            found.setdefault(name.decode().partition("=")[2][:-4], []).append(int(entry.name))
    return found


def runs(pid: int) -> bool:
    """Whether it has not ended; nobody may have taken note of that yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(holds: Callable[[], bool]) -> float:
    """How long it took, in seconds."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < PATIENCE_S, "it never came"
        time.sleep(0.005)
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (1, "exited with code 3"),
        (2, "signal 11 (SIGSEGV)"),
        (3, "signal 6 (SIGABRT)"),
    ],
    ids=["os._exit", "segfault", "abort"],
)
def test_c1_a_crash_is_answered_and_the_model_comes_back(
    server: ServerProcess, deed: int, words: str
) -> None:
    assert infer(server, "obedient", 100).status == 200
    reply = infer(server, "obedient", deed)
    assert reply.status == 503
    assert "obedient" in reply.error and words in reply.error
    assert infer(server, "neighbour", 100).json["outputs"][0]["data"] == [100]
    assert infer(server, "obedient", 101).json["outputs"][0]["data"] == [101]  # it waits
    wait_until(lambda: ready(server, "obedient"))


def test_c1_sys_exit_fails_the_batch_and_nothing_else(server: ServerProcess) -> None:
    before = workers(server)["neighbour"]
    assert "SystemExit: enough" in infer(server, "neighbour", 9).error
    assert infer(server, "neighbour", 100).status == 200
    assert workers(server)["neighbour"] == before


def test_c1_descriptors_that_a_model_closes_are_its_own(server: ServerProcess) -> None:
    assert infer(server, "neighbour", 8).status == 200
    assert infer(server, "neighbour", 100).status == 200


def test_c1_a_flood_of_output_is_bounded(server: ServerProcess) -> None:
    size = server.log_path.stat().st_size
    assert infer(server, "neighbour", 7).status == 200
    wait_until(lambda: "lines of output were dropped" in server.log)
    assert server.log_path.stat().st_size - size < 4 << 20
    assert infer(server, "neighbour", 100).status == 200


def test_output_is_logged_with_the_instance(server: ServerProcess) -> None:
    time.sleep(1.1)  # the flood's second is over
    assert infer(server, "two", 6).status == 200
    wait_until(lambda: "two_0_" in server.log and "x" * 99 in server.log)


def test_a_model_that_yields_to_others(server: ServerProcess) -> None:
    """Within the server's session: in one of its own niceness would mean nothing to the others."""
    niceness = min(19, os.nice(0) + 7)
    reply = infer(server, "nice", 0)
    assert json.loads(reply.body)["outputs"][0]["data"] == [niceness + 100 * niceness]


def test_c2_a_killed_idle_worker_is_noticed_and_replaced(server: ServerProcess) -> None:
    assert infer(server, "obedient", 100).status == 200
    for _ in range(KILLS):
        (pid,) = workers(server)["obedient"]
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not ready(server, "obedient")) < 1.0
        wait_until(lambda: ready(server, "obedient"))
    assert infer(server, "obedient", 100).status == 200


def test_c2_nothing_that_was_not_taken_fails(server: ServerProcess) -> None:
    """Only what is in a worker when it is killed may fail: one batch a kill."""
    stop = threading.Event()
    outcomes: list[int] = []

    def load() -> None:
        while not stop.is_set():
            outcomes.append(infer(server, "two", 100).status)

    with ThreadPoolExecutor(6) as pool:
        loads = [pool.submit(load) for _ in range(6)]
        for _ in range(KILLS):
            served = len(outcomes)
            wait_until(lambda served=served: len(outcomes) > served + 20)
            pids = wait_for(server, "two", 2)
            os.kill(pids[0], signal.SIGKILL)
        stop.set()
        for each in loads:
            each.result(PATIENCE_S)
    failed = [status for status in outcomes if status != 200]
    assert set(failed) <= {503}
    assert len(failed) <= KILLS * 4  # max_batch_size


def wait_for(server: ServerProcess, model: str, count: int) -> list[int]:
    """So many processes of the model, once it has them."""
    wait_until(lambda: len(workers(server).get(model, [])) == count)
    return workers(server)[model]


def test_c2_an_idempotent_model_loses_nothing(server: ServerProcess) -> None:
    stop = threading.Event()
    outcomes: list[int] = []

    def load() -> None:
        while not stop.is_set():
            outcomes.append(infer(server, "again", 100).status)

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        for _ in range(KILLS):
            served = len(outcomes)
            wait_until(lambda served=served: len(outcomes) > served + 20)
            os.kill(wait_for(server, "again", 1)[0], signal.SIGKILL)
        stop.set()
        for each in loads:
            each.result(PATIENCE_S)
    assert set(outcomes) == {200}


@pytest.mark.parametrize("deed", [4, 5], ids=["SIGSTOP", "sleeps"])
def test_c3_a_hang_ends_with_its_deadline(server: ServerProcess, deed: int) -> None:
    begun = time.monotonic()
    reply = infer(server, "hasty", deed)
    assert reply.status == 504 and "EXECUTE_TIMEOUT_MS" in reply.error
    assert time.monotonic() - begun < 2.0
    assert infer(server, "hasty", 100).status == 200


def test_c4_a_crash_loop_is_told_by_the_index(server: ServerProcess) -> None:
    contents = itertools.count(100)

    def refused() -> bool:
        reply = infer(server, "crashing", next(contents))
        assert reply.status == 503
        return "ended 5 times without an answer" in reply.error

    wait_until(refused)
    assert not ready(server, "crashing")
    index = server.request("POST", "/v2/repository/index").json
    (entry,) = [e for e in index if e["name"] == "crashing"]
    assert entry["state"] == "UNAVAILABLE" and "exited with code 7" in entry["reason"]
    assert server.request("GET", "/v2/health/live").status == 200


def test_contents_that_end_two_processes_are_refused(server: ServerProcess) -> None:
    for _ in range(2):
        assert "exited with code 3" in infer(server, "neighbour", 1).error
    (pid,) = wait_for(server, "neighbour", 1)
    reply = infer(server, "neighbour", 1)
    assert reply.status == 503 and "refuses the request" in reply.error
    assert infer(server, "neighbour", 100).status == 200
    assert workers(server)["neighbour"] == [pid]


def test_c5_a_leak_is_recycled_without_a_failed_request(server: ServerProcess) -> None:
    (first,) = workers(server)["lean"]
    done = 0
    while [first] == workers(server).get("lean", [first]):
        assert infer(server, "lean", 10).status == 200
        done += 1
        assert done < 2_000
    assert infer(server, "lean", 100).status == 200
    wait_until(lambda: first not in workers(server).get("lean", []))
    assert infer(server, "lean", 100).status == 200


def test_a_load_fails_with_the_models_own_words(server: ServerProcess) -> None:
    index = {e["name"]: e for e in server.request("POST", "/v2/repository/index").json}
    assert "RuntimeError: no such weights" in index["unloadable"]["reason"]
    assert "unloadable/1/model.py(4): initialize" in index["unloadable"]["reason"]
    assert "exited with code 9" in index["dead"]["reason"]


def test_c7_a_killed_server_leaves_nothing(repository: Path, tmp_path: Path) -> None:
    def objects() -> set[str]:
        """Of ours: other tests have theirs there."""
        return {name for name in os.listdir("/dev/shm") if "penstock" in name}

    before = objects()
    server = _server(repository, tmp_path)
    server.start()
    try:
        server.wait_ready()
        pids = [pid for found in workers(server).values() for pid in found]
        assert len(pids) >= 7
    finally:
        server.kill()
    gone = wait_until(lambda: not any(runs(pid) for pid in pids))
    assert gone < 1.0
    assert objects() <= before
