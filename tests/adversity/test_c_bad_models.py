# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""C1, C3, C6: bad models (reliability 3.C) in one server: it lives, a neighbour loses nothing."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bad_models import UNLOADABLE, write_bad_models
from server_process import Reply, ServerProcess

PATIENCE_S = 20.0
STARTED = ("bad", "hasty", "neighbour", "caller", "bad_stream")

#: status and words of the answer
RAISES = {
    "raises": "RuntimeError: bad luck",
    "raises_base": "BaseException: basic",
    "raises_system_exit": "SystemExit: enough",
    "raises_interrupt": "KeyboardInterrupt",
    "raises_memory": "MemoryError",
    "raises_generator_exit": "GeneratorExit",
    "raises_unprintable": "its text could not be made: ValueError",
    "recurses": "RecursionError",
    "allocates": "MemoryError",
    "returns_too_few": "InferenceResponse(s) size is:0",
    "returns_too_many": "InferenceResponse(s) size is:2",
    "returns_none": "Expected a list in the execute return",
    "returns_a_list_of_none": "Expected an 'InferenceResponse' object",
    "returns_no_list": "Expected a list in the execute return",
    "returns_no_response": "Expected an 'InferenceResponse' object",
}
ENDS = {
    "exits": "exited with code 0",
    "aborts": "SIGABRT",
    "segfaults": "SIGSEGV",
    "overflows": "SIGSEGV",
    "kills_itself": "SIGKILL",
    "divides": "SIGFPE",
    "scribbles": "worker process",
}
HANGS = ["stops", "spins", "holds_the_gil", "locks_twice", "sleeps"]
HARMLESS = [
    "strided",
    "huge",
    "forks",
    "spawns",
    "changes_directory",
    "changes_umask",
    "clears_environment",
    "changes_locale",
    "changes_signals",
    "closes_descriptors",
    "floods_output",
    "leaves_a_thread",
]

_SERIAL = itertools.count()


class Neighbour:
    """A client of a model that behaves, for as long as the tests run."""

    def __init__(self, server: ServerProcess) -> None:
        self.answered = 0
        self.failed: list[Reply] = []
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            reply = ask(self._server, "neighbour", "good")
            if reply.status == 200 and reply.json["outputs"][0]["data"] == [1]:
                self.answered += 1
            else:
                self.failed.append(reply)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("bad")
    write_bad_models(root)
    options = ["--model-control-mode=explicit", "--exit-on-error=false"]
    options += [f"--load-model={name}" for name in STARTED]
    options.append(f"--backend-config=python,shm-max-byte-size={64 << 20}")
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log", *options) as started:
        pid = started.running.pid
        neighbour = Neighbour(started)
        yield started
        neighbour.stop()
        assert not neighbour.failed, neighbour.failed[0].body
        assert neighbour.answered > 0
        assert started.running.poll() is None and started.running.pid == pid


def ask(server: ServerProcess, model: str, deed: str, way: str = "infer") -> Reply:
    """No two requests are alike: contents that end two processes are refused."""
    text = f"{deed} {next(_SERIAL)}"
    body = {"inputs": [{"name": "IN", "shape": [1], "datatype": "BYTES", "data": [text]}]}
    return server.request("POST", f"/v2/models/{model}/{way}", body)


def check_serves(server: ServerProcess, model: str) -> None:
    """It waits in the queue while a process is being started."""
    reply = ask(server, model, "good")
    assert reply.status == 200, reply.body
    assert server.running.poll() is None


@pytest.mark.parametrize("deed", RAISES)
def test_c1_what_a_model_raises_or_returns_is_answered(server: ServerProcess, deed: str) -> None:
    reply = ask(server, "bad", deed)
    assert reply.status in (400, 500)
    assert RAISES[deed] in reply.error and "bad" in reply.error
    check_serves(server, "bad")


@pytest.mark.parametrize(
    ("deed", "datatype", "shape"),
    [("wrong_dtype", "INT64", [1]), ("wrong_rank", "FP32", [1, 1, 1])],
)
def test_c6_outputs_that_are_not_as_configured_say_so(
    server: ServerProcess, deed: str, datatype: str, shape: list[int]
) -> None:
    """Contract 5.1: they go out with their own type and shape; the log tells of the first."""
    reply = ask(server, "bad", deed)
    (output,) = reply.json["outputs"]
    assert (output["datatype"], output["shape"], output["data"]) == (datatype, shape, [1])
    wait_until(lambda: "output 'OUT' of model 'bad' has data type" in server.log)
    check_serves(server, "bad")


@pytest.mark.parametrize("deed", ["wrong_name", "no_outputs"])
def test_c6_outputs_that_are_none_are_not_answered_with(server: ServerProcess, deed: str) -> None:
    reply = ask(server, "bad", deed)
    assert reply.status == 200 and not reply.json.get("outputs")
    check_serves(server, "bad")


def test_c6_what_is_no_number(server: ServerProcess) -> None:
    reply = ask(server, "bad", "nan")
    assert reply.status == 200 and b"NaN" in reply.body and b"-Infinity" in reply.body


def test_an_output_for_which_there_is_no_memory(server: ServerProcess) -> None:
    reply = ask(server, "bad", "beyond_memory")
    assert reply.status == 503 and "shm-max-byte-size" in reply.error
    check_serves(server, "bad")


@pytest.mark.parametrize("deed", ENDS)
def test_c1_the_end_of_a_process_is_answered(server: ServerProcess, deed: str) -> None:
    reply = ask(server, "bad", deed)
    assert reply.status == 503, reply.body
    assert ENDS[deed] in reply.error and "bad" in reply.error
    check_serves(server, "bad")


@pytest.mark.parametrize("deed", HANGS)
def test_c3_a_hang_ends_with_its_deadline(server: ServerProcess, deed: str) -> None:
    begun = time.monotonic()
    reply = ask(server, "hasty", deed)
    assert reply.status == 504 and "EXECUTE_TIMEOUT_MS" in reply.error
    assert time.monotonic() - begun < 2.0
    check_serves(server, "hasty")


@pytest.mark.parametrize("deed", HARMLESS)
def test_c1_what_a_model_does_to_its_own_process(server: ServerProcess, deed: str) -> None:
    assert ask(server, "bad", deed).status == 200
    check_serves(server, "bad")


@pytest.mark.parametrize(
    "deed",
    ["responds_after_final", "two_finals", "bad_flags", "nothing", "answers_a_finished_request"],
)
def test_c1_a_decoupled_model_answers_once_to_the_end(server: ServerProcess, deed: str) -> None:
    for _ in range(2):
        reply = ask(server, "bad_stream", deed, "generate_stream")
        assert reply.status != 500 and b"it was let through" not in reply.body


@pytest.mark.parametrize("name", UNLOADABLE)
def test_c1_a_model_that_cannot_be_loaded_says_why(server: ServerProcess, name: str) -> None:
    reply = server.request("POST", f"/v2/repository/models/{name}/load")
    assert reply.status >= 400 and UNLOADABLE[name][1] in reply.error
    assert ask(server, name, "good").status in (400, 404)


def test_a_worker_that_is_killed_while_its_call_is_in_flight(server: ServerProcess) -> None:
    """BLS: the server keeps nothing of the call, and the called model serves on."""
    for _ in range(3):
        asleep = server.log.count("asleep")
        with ThreadPoolExecutor(1) as pool:
            called = pool.submit(ask, server, "caller", "hasty sleeps")
            wait_until(lambda asleep=asleep: server.log.count("asleep") > asleep)
            os.kill(worker(server, "caller"), signal.SIGKILL)
            reply = called.result(PATIENCE_S)
        assert reply.status == 503 and "SIGKILL" in reply.error
        assert ask(server, "caller", "neighbour good").status == 200
    check_serves(server, "hasty")


def test_what_a_called_model_fails_with_is_handed_on(server: ServerProcess) -> None:
    assert "RuntimeError: bad luck" in ask(server, "caller", "bad raises").error
    assert "exited with code 0" in ask(server, "caller", "bad exits").error
    assert "wait for calls that wait for it" in ask(server, "caller", "caller bad good").error
    assert ask(server, "caller", "bad good").status == 200


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def worker(server: ServerProcess, model: str) -> int:
    """The process of the model's instance."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for entry in Path(f"/proc/{server.running.pid}/task").glob("*/children"):
            for pid in entry.read_text().split():
                environment = Path(f"/proc/{pid}/environ")
                if environment.exists() and f"PENSTOCK_INSTANCE={model}_".encode() in (
                    environment.read_bytes()
                ):
                    return int(pid)
        time.sleep(0.005)
    raise AssertionError(f"no process of {model}")


def test_a_model_whose_finalize_raises_is_unloaded(server: ServerProcess) -> None:
    assert server.request("POST", "/v2/repository/models/bad/unload").status == 200
    assert ask(server, "bad", "good").status in (400, 404)
