# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D4: loads that never end harm the model that hangs and nothing else."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from changing_models import answers, index, load, serve_folder, wait_for, write_identity
from model_traffic import ModelTraffic
from server_process import ServerProcess

#: Enough to start a worker process on a busy machine, where nothing hangs.
TIMEOUT_S = 8.0
PATIENCE_S = 20.0

_BODY = """
    def execute(self, requests):
        {execute}
        inputs = [pb_utils.get_input_tensor_by_name(r, "INPUT0").as_numpy() for r in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", i)]) for i in inputs]
"""


def model_code(
    *, top: str = "", complete: str = "", initialize: str = "", execute: str = ""
) -> str:
    """A model whose parts do this first."""
    return (
        f"import time\nimport triton_python_backend_utils as pb_utils\n{top}\n"
        "class TritonPythonModel:\n"
        "    @staticmethod\n"
        "    def auto_complete_config(config):\n"
        f"        {complete or 'pass'}\n"
        "        return config\n"
        "    def initialize(self, args):\n"
        f"        {initialize or 'pass'}\n" + _BODY.format(execute=execute or "pass")
    )


FOREVER = "time.sleep(3600)"
WARM_UP = """model_warmup { name: "one" batch_size: 1 inputs { key: "INPUT0"
 value { data_type: TYPE_FP32 dims: [ 4 ] zero_data: true } } }"""
IN_PROCESS = 'parameters { key: "EXECUTION_MODE" value { string_value: "in_process" } }'

#: name: (code, more configuration, what becomes of it)
HANGS = {
    "import": (model_code(top=FOREVER), "", "its worker process was ended"),
    "complete": (model_code(complete=FOREVER), "", "its worker process was ended"),
    "initialize": (model_code(initialize=FOREVER), "", "its worker process was ended"),
    "warm-up": (model_code(execute=FOREVER), WARM_UP, "its worker process was ended"),
    "in-process": (model_code(initialize=FOREVER), IN_PROCESS, "it cannot be stopped"),
}


def write_python(root: Path, name: str, version: int, code: str, extra: str = "") -> None:
    model = write_identity(root, name, version)
    config = model / "config.pbtxt"
    config.write_text(config.read_text().replace('"identity"', '"python"') + extra)
    (model / str(version) / "model.py").write_text(code)


def serve(tmp_path: Path, *options: str) -> ServerProcess:
    return serve_folder(
        tmp_path / "models",
        tmp_path / "log",
        "--model-control-mode=explicit",
        "--model-load-thread-count=1",
        f"--model-load-timeout-secs={TIMEOUT_S}",
        *options,
    )


def children(server: ServerProcess) -> set[str]:
    pid = server.running.pid
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.mark.parametrize("where", HANGS)
def test_d4_a_load_that_hangs_ends_and_the_old_version_serves(tmp_path: Path, where: str) -> None:
    code, extra, fate = HANGS[where]
    root = tmp_path / "models"
    write_python(root, "m", 1, model_code())
    write_identity(root, "other", 1)
    with serve(tmp_path, "--load-model=m") as server:
        before = children(server)
        with ModelTraffic(server, "m", clients=1) as traffic:
            write_python(root, "m", 2, code, extra)
            began = time.monotonic()
            reply = load(server, "m")
            assert TIMEOUT_S <= time.monotonic() - began < TIMEOUT_S + PATIENCE_S
            assert reply.status == 400
            assert f"did not load within {TIMEOUT_S:g} seconds" in reply.error
            assert "--model-load-timeout-secs" in reply.error and fate in reply.error
            assert load(server, "other").status == 200  # the one load thread is free
            traffic.wait_for(20)
        assert traffic.failures == []
        assert {answer.version for answer in traffic.answers} == {1}
        assert [(v, s, fate in r) for v, s, r in index(server, "m")] == [("1", "READY", True)]
        wait_for(lambda: children(server) == before, "a worker process is left")
        write_python(root, "m", 2, model_code())
        (root / "m" / "config.pbtxt").write_text(
            (root / "m" / "config.pbtxt").read_text().replace(WARM_UP, "").replace(IN_PROCESS, "")
        )
        assert load(server, "m").status == 200
        assert answers(server, "m") == "2"


def test_d4_instances_that_hang_are_not_added(tmp_path: Path) -> None:
    """R-25: the version serves on with those that it has."""
    root = tmp_path / "models"
    second = 'time.sleep(3600 if args["model_instance_name"].endswith("_1") else 0)'
    write_python(root, "m", 1, model_code(initialize=second))
    with serve(tmp_path, "--load-model=m") as server:
        before = children(server)
        config = root / "m" / "config.pbtxt"
        config.write_text(config.read_text() + "instance_group { count: 2 kind: KIND_CPU }")
        with ModelTraffic(server, "m", clients=1) as traffic:
            reply = load(server, "m")
            assert reply.status == 400 and "could not be created in time" in reply.error
            traffic.wait_for(20)
        assert traffic.failures == []
        wait_for(lambda: children(server) == before, "a worker process is left")


@pytest.mark.parametrize("extra", ["", IN_PROCESS], ids=["worker", "in-process"])
def test_d4_a_stop_does_not_wait_for_a_load_that_hangs(tmp_path: Path, extra: str) -> None:
    root = tmp_path / "models"
    write_identity(root, "other", 1)
    write_python(root, "m", 1, model_code(initialize=FOREVER), extra)
    with serve(tmp_path, "--model-load-timeout-secs=0", "--load-model=other") as server:
        replies: list[int] = []
        client = threading.Thread(target=lambda: replies.append(load(server, "m").status))
        client.start()
        wait_for(lambda: index(server, "m")[0][1] == "LOADING", "the load does not begin")
        began = time.monotonic()
        server.running.terminate()
        assert server.running.wait(30) in (0, 1), server.log
        assert time.monotonic() - began < 20
        client.join(20)


def test_d4_a_start_goes_on_without_a_model_that_hangs(tmp_path: Path) -> None:
    root = tmp_path / "models"
    write_identity(root, "other", 1)
    write_python(root, "m", 1, model_code(initialize=FOREVER))
    options = ("--load-model=*", "--exit-on-error=false", "--strict-readiness=false")
    with serve(tmp_path, *options) as server:
        assert answers(server, "other") == "1"
        ((_, state, reason),) = index(server, "m")
        assert state == "UNAVAILABLE" and "did not load within" in reason
