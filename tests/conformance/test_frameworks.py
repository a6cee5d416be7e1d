# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Every framework in one server: one network, its answers, bad files, threads (contract 3.2, 5)."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as http_client
from framework_networks import NETWORKS, expected, installed, sample, write_network
from penstock.cli.main import main
from server_process import ServerProcess
from ways import WAYS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

#: an import of TensorFlow on a busy machine
LOAD_TIMEOUT_S = 120.0
TOLERANCE = 1e-4
HERE = installed()
pytestmark = pytest.mark.skipif(len(HERE) < 3, reason="fewer than two frameworks are installed")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("networks")
    for name in HERE:
        write_network(root, name)
    return root


@pytest.fixture(scope="module")
def frameworks(networks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with all formats of the network in it, each loaded by a call."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(networks, log, "--model-control-mode=explicit") as server:
        for name in HERE:
            load(server, name)
        yield server


def client(server: ServerProcess) -> Any:
    return http_client.InferenceServerClient(
        server.http_url, network_timeout=LOAD_TIMEOUT_S, connection_timeout=LOAD_TIMEOUT_S
    )


def load(server: ServerProcess, name: str) -> None:
    caller = client(server)
    try:
        caller.load_model(name)
    finally:
        caller.close()


def ask(caller: Any, name: str, x: np.ndarray) -> np.ndarray:
    network = NETWORKS[name]
    tensor = http_client.InferInput(network.input, list(x.shape), "FP32")
    tensor.set_data_from_numpy(x)
    answer: np.ndarray = caller.infer(name, [tensor]).as_numpy(network.output)
    return answer


def threads_of(server: ServerProcess) -> int:
    return len(os.listdir(f"/proc/{server.running.pid}/task"))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("way_name", WAYS)
async def test_answers_over_every_way(frameworks: ServerProcess, name: str, way_name: str) -> None:
    way = WAYS[way_name](frameworks)
    network = NETWORKS[name]
    for rows in (1, 3, 4):
        x = sample(rows, rows)
        answer = await way.infer(name, {network.input: x}, outputs=[network.output])
        assert answer.arrays[network.output].shape == (rows, 10)
        assert np.abs(answer.arrays[network.output] - expected(x)).max() <= TOLERANCE
    await way.close()


@pytest.mark.parametrize("name", HERE)
def test_what_was_completed(frameworks: ServerProcess, name: str) -> None:
    """3.2, stage B: types, shapes and batching are the file's."""
    metadata = frameworks.request("GET", f"/v2/models/{name}").json
    assert [(each["datatype"], each["shape"]) for each in metadata["inputs"]] == [
        ("FP32", [-1, 3, 16, 16])
    ]
    config = frameworks.request("GET", f"/v2/models/{name}/config").json
    assert config["max_batch_size"] in (4, 8)


def test_frameworks_agree(frameworks: ServerProcess) -> None:
    x = sample(4, 9)
    caller = client(frameworks)
    answers = {name: ask(caller, name, x) for name in HERE}
    caller.close()
    for name, answer in answers.items():
        for other, theirs in answers.items():
            assert np.abs(answer - theirs).max() <= TOLERANCE, (name, other)


def test_compare_says_that_they_agree(
    frameworks: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within 1e-4, names and all."""
    arguments = ["compare", f"--url={frameworks.http_url}", "--requests=0", "--rtol=0"]
    arguments += ["--batch-size=4", *(f"--model={name}" for name in HERE)]
    assert main(arguments) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith("| ok |")]
    assert len(rows) == len(HERE) - 1


def test_mixed_load(frameworks: ServerProcess) -> None:
    """Every answer is its own request's, and no framework starts threads with the load."""
    seeds = range(200)
    inputs = [sample(1 + seed % 4, seed) for seed in seeds]
    outputs = [expected(x) for x in inputs]
    local = threading.local()

    def call(job: tuple[str, int]) -> float:
        if not hasattr(local, "caller"):
            local.caller = client(frameworks)
        name, seed = job
        return float(np.abs(ask(local.caller, name, inputs[seed]) - outputs[seed]).max())

    jobs = [(name, seed) for seed in seeds for name in HERE]
    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(call, jobs[: 20 * len(HERE)])) <= TOLERANCE
        before = threads_of(frameworks)
        assert max(pool.map(call, jobs)) <= TOLERANCE
    assert threads_of(frameworks) <= before


#: threads that a framework starts on one core, its pools' and those that only wait
STARTED = {
    "onnx": 1,
    "torchscript": 1,
    "torch_export": 1,
    "saved_model": 4,
    "tflite": 1,
    "openvino": 3,
    "jax": 13,
}


@pytest.mark.parametrize("name", [name for name in HERE if name in STARTED])
def test_threads_are_within_the_share(networks: Path, tmp_path: Path, name: str) -> None:
    """A server that may use one core of the machine: pools are made for that one."""
    cores = os.sched_getaffinity(0)
    server = ServerProcess(networks, tmp_path / "server.log", "--model-control-mode=explicit")
    os.sched_setaffinity(0, {min(cores)})
    try:
        server.start()
    finally:
        os.sched_setaffinity(0, cores)
    try:
        server.wait_ready()
        caller = client(server)
        load(server, "python")  # what a first load and a first request start is there, then
        ask(caller, "python", sample(1, 0))
        before = threads_of(server)
        load(server, name)
        for seed in range(8):
            assert np.abs(ask(caller, name, sample(4, seed)) - expected(sample(4, seed))).max() <= (
                TOLERANCE
            )
        caller.close()
        config = server.request("GET", f"/v2/models/{name}/config").json
        instances = sum(group["count"] for group in config["instance_group"])
        assert threads_of(server) - before - instances <= STARTED[name]
        assert server.stop() == 0, server.log
    finally:
        server.kill()


def test_a_framework_is_imported_when_a_model_needs_it(
    frameworks: ServerProcess, networks: Path, tmp_path: Path
) -> None:
    """The libraries that a process has mapped say what it has imported."""
    server = ServerProcess(networks, tmp_path / "server.log", "--model-control-mode=explicit")
    libraries = {
        "onnx": "libonnxruntime",
        "torchscript": "libtorch",
        "saved_model": "libtensorflow",
        "openvino": "libopenvino",
        "jax": "jaxlib",
        "tflite": "ai_edge_litert",
    }
    with server:
        load(server, "python")
        mapped = Path(f"/proc/{server.running.pid}/maps").read_text()
        assert not [library for library in libraries.values() if library in mapped]
    mapped = Path(f"/proc/{frameworks.running.pid}/maps").read_text()
    assert all(library in mapped for name, library in libraries.items() if name in HERE)


@pytest.mark.parametrize("name", [name for name in HERE if name != "python"])
def test_bad_files_are_their_models_alone(
    frameworks: ServerProcess, networks: Path, name: str
) -> None:
    """The load fails with the model, the version and the framework's words; the others serve on."""
    broken = networks / f"broken_{name}"
    shutil.copytree(networks / name, broken)
    for file in [each for each in broken.rglob("*") if each.is_file() and each.suffix != ".pbtxt"]:
        file.write_bytes(file.read_bytes()[:40])
    reply = frameworks.request("POST", f"/v2/repository/models/{broken.name}/load", {})
    assert reply.status == 400
    assert reply.error.startswith(
        f"load failed for model 'broken_{name}': version 1 is at UNAVAILABLE state: "
    )
    index = frameworks.request("POST", "/v2/repository/index", {}).json
    reasons = {each["name"]: each.get("reason", "") for each in index}
    assert reasons[broken.name]
    if name != "onnx":  # whose own words have the whole path
        assert str(networks) not in reasons[broken.name]
    caller = client(frameworks)
    for other in HERE:
        assert np.abs(ask(caller, other, sample(1, 1)) - expected(sample(1, 1))).max() <= TOLERANCE
    caller.close()
