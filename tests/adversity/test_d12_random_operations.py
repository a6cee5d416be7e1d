# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D12: random sequences of operations, and a model of the server that knows what each must give."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from changing_models import index, load, serve_folder, unload, write_identity
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from server_process import Reply, ServerProcess
from sizes import size
from survive import Survivor
from test_c_worker_processes import wait_until, workers
from worker_models import OBEDIENT
from worker_models import write_model as write_worker_model

SEQUENCES = size(3, 1_000)
STEPS = size(15, 30)
NATIVE = ("one", "two")
WORKER = "worker"
REGION = f"d12-{os.getpid()}"  # not a name that looks like one of the server's

MODELS = st.sampled_from((*NATIVE, WORKER))
SHARED = st.sampled_from(("a", "b"))


def infer(server: ServerProcess, model: str, value: int) -> Reply:
    if model == WORKER:
        tensor = {"name": "IN", "shape": [1, 1], "datatype": "INT32", "data": [value]}
    else:
        tensor = {"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": [value] * 4}
    return server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]})


class Operations(RuleBasedStateMachine):
    """What is loaded, which version of it, and which regions there are."""

    server: ClassVar[ServerProcess]
    root: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, int] = {}
        self.on_disk = dict.fromkeys((*NATIVE, WORKER), 1)
        self.regions: set[str] = set()
        for model in NATIVE:
            write_identity(self.root, model, extra="")
            for version in range(2, 40):
                folder = self.root / model / str(version)
                if folder.exists():
                    folder.rmdir()

    def teardown(self) -> None:
        for model in (*NATIVE, WORKER):
            assert unload(self.server, model).status == 200
        self.server.request("POST", "/v2/systemsharedmemory/unregister")

    @rule(model=MODELS)
    def load(self, model: str) -> None:
        assert load(self.server, model).status == 200
        self.loaded[model] = self.on_disk[model]

    @rule(model=MODELS)
    def unload(self, model: str) -> None:
        assert unload(self.server, model).status == 200
        self.loaded.pop(model, None)

    @rule(model=st.sampled_from(NATIVE))
    def add_version(self, model: str) -> None:
        self.on_disk[model] += 1
        (self.root / model / str(self.on_disk[model])).mkdir()

    @rule(model=st.sampled_from(NATIVE))
    def break_and_mend(self, model: str) -> None:
        """A load that fails changes nothing."""
        config = self.root / model / "config.pbtxt"
        text = config.read_text()
        config.write_text("nonsense {")
        assert load(self.server, model).status in (400, 500)
        config.write_text(text)

    @rule(model=MODELS, value=st.integers(100, 1000))
    def infer(self, model: str, value: int) -> None:
        reply = infer(self.server, model, value)
        if model not in self.loaded:
            assert reply.status in (400, 404), reply.body
            return
        assert reply.status == 200, reply.body
        assert set(reply.json["outputs"][0]["data"]) == {value}
        assert reply.json["model_version"] == str(self.loaded[model])

    @rule(deed=st.sampled_from([1, 2]))
    def crash(self, deed: int) -> None:
        """It is answered, and the process comes back."""
        if WORKER in self.loaded:
            self._serve_once()
            assert infer(self.server, WORKER, deed).status in (500, 503)

    @rule()
    def kill_worker(self) -> None:
        if WORKER in self.loaded:
            self._serve_once()
            wait_until(lambda: len(workers(self.server).get(WORKER, [])) == 1)
            (pid,) = workers(self.server)[WORKER]
            os.kill(pid, signal.SIGKILL)

    def _serve_once(self) -> None:
        """Five processes that ended and answered nothing would be a crash loop, rightly refused."""
        assert infer(self.server, WORKER, 100).status == 200

    @rule(region=SHARED)
    def register(self, region: str) -> None:
        body = {"key": f"/{REGION}", "offset": 0, "byte_size": mmap.PAGESIZE}
        path = f"/v2/systemsharedmemory/region/{region}/register"
        reply = self.server.request("POST", path, body)
        assert reply.status == (400 if region in self.regions else 200), reply.body
        self.regions.add(region)

    @rule(region=SHARED)
    def unregister(self, region: str) -> None:
        path = f"/v2/systemsharedmemory/region/{region}/unregister"
        assert self.server.request("POST", path).status == 200
        self.regions.discard(region)

    @invariant()
    def it_lives_and_says_what_is_so(self) -> None:
        assert self.server.request("GET", "/v2/health/live").status == 200
        for model in NATIVE:
            ready = self.server.request("GET", f"/v2/models/{model}/ready").status == 200
            assert ready == (model in self.loaded)
            states = [
                version for version, state, _ in index(self.server, model) if state == "READY"
            ]
            assert states == ([str(self.loaded[model])] if model in self.loaded else [])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    root = tmp_path / "models"
    for name in (*NATIVE, "labelled"):
        write_identity(root, name, 1)
    write_worker_model(root, WORKER, OBEDIENT)
    options = ("--model-control-mode=explicit", "--allow-client-shm=true", "--load-model=labelled")
    region = Path("/dev/shm") / REGION
    region.write_bytes(bytes(mmap.PAGESIZE))
    try:
        with serve_folder(root, tmp_path / "log", *options) as started:
            yield started
    finally:
        region.unlink()


def warm_up(server: ServerProcess) -> None:
    """What is made once is there from now on: the threads of loads and drains."""
    models = (*NATIVE, WORKER) * 4
    with ThreadPoolExecutor(len(models)) as threads:
        for step in (load, unload) * 3:
            assert {reply.status for reply in threads.map(partial(step, server), models)} == {200}


def test_d12_random_operations(server: ServerProcess, tmp_path: Path) -> None:
    Operations.server, Operations.root = server, tmp_path / "models"
    warm_up(server)
    survivor = Survivor(server)
    run_state_machine_as_test(
        Operations,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    survivor.check(cases=SEQUENCES * STEPS, max_growth_bytes=32 << 20)
