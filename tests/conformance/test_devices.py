# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Devices of a whole server: what it finds, what it refuses, that it goes on (2.5, 5.2, 5.4, 6).

Drivers come from the tests' own libraries, by the dynamic loader's path, as real ones do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_repository import HAVE_ONNX, write_repository
from server_process import ServerProcess

sys.path.insert(0, str(Path(__file__).parent.parent / "fakes"))

from fake_libraries import compile_library

IDENTITY = """
    backend: "identity" max_batch_size: 4
    input { name: "INPUT0" data_type: TYPE_FP32 dims: 2 }
    output { name: "OUTPUT0" data_type: TYPE_FP32 dims: 2 }
"""
#: name -> configuration; those on_ GPUs load where there are some, no other does
MODELS = {
    "on_gpus": IDENTITY + 'instance_group { name: "g" kind: KIND_GPU }',
    "on_one_gpu": IDENTITY + "instance_group { kind: KIND_GPU gpus: 2 }",
    "engine": "",
    "unknown_gpu": IDENTITY + "instance_group { kind: KIND_GPU gpus: 7 }",
    "old_gpu": IDENTITY + "instance_group { kind: KIND_GPU gpus: 1 }",
    "onnx_gpu": 'backend: "onnxruntime" instance_group { kind: KIND_GPU gpus: 0 }',
}
REQUEST = {"inputs": [{"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2.5]}]}


def write_models(root: Path, onnx: Path | None) -> None:
    for name, config in MODELS.items():
        (root / name / "1").mkdir(parents=True)
        if config:
            (root / name / "config.pbtxt").write_text(config)
    (root / "engine" / "1" / "model.plan").write_bytes(b"ftrt not an engine at all")
    if onnx is not None:
        (root / "onnx_gpu" / "1" / "model.onnx").write_bytes(onnx.read_bytes())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ordinary = tmp_path_factory.mktemp("ordinary")
    write_repository(ordinary)
    found = sorted((ordinary / "linear").glob("*/model.onnx")) if HAVE_ONNX else []
    root = tmp_path_factory.mktemp("models")
    write_models(root, found[0] if found else None)
    return root


def start(root: Path, folder: Path, *options: str) -> ServerProcess:
    return ServerProcess(
        root, folder / "log", "--exit-on-error=false", "--strict-readiness=false", *options
    )


@pytest.fixture(scope="module")
def gpus(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on a machine with three GPUs, of which one is too old."""
    libraries = tmp_path_factory.mktemp("libraries")
    compile_library("fake_libcuda.c", libraries / "libcuda.so.1")
    compile_library("fake_nvml.c", libraries / "libnvidia-ml.so.1")
    path = f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", path)
        patch.setenv("FAKE_CUDA_GPUS", "9.0,3.7,7.5")
        patch.setenv("FAKE_NVML_GPUS", "2")
        server = start(root, tmp_path_factory.mktemp("log"))
        server.start()
    try:
        server.wait_ready()
        yield server
        assert server.stop() == 0, server.log
    finally:
        server.kill()


@pytest.fixture(scope="module")
def no_gpus(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("the machine has a GPU")
    with start(root, tmp_path_factory.mktemp("log")) as server:
        yield server


def reason(server: ServerProcess, model: str) -> str:
    reply = server.request("POST", "/v2/repository/index")
    return next(str(row["reason"]) for row in reply.json if row["name"] == model)


def alive(server: ServerProcess) -> bool:
    return server.request("GET", "/v2/health/live").status == 200


class TestWithGpus:
    def test_an_instance_on_each_usable_one(self, gpus: ServerProcess) -> None:
        reply = gpus.request("POST", "/v2/models/on_gpus/infer", REQUEST)
        assert reply.json["outputs"][0]["data"] == [1.5, 2.5]
        groups = gpus.request("GET", "/v2/models/on_gpus/config").json["instance_group"]
        assert [(group["kind"], group["gpus"]) for group in groups] == [("KIND_GPU", [0, 2])]
        for number, device in enumerate((0, 2)):
            assert f"instance named 'g_{number}' with device id '{device}'" in gpus.log

    @pytest.mark.parametrize(("model", "gpu"), [("unknown_gpu", 7), ("old_gpu", 1)])
    def test_one_that_cannot_be_used(self, gpus: ServerProcess, model: str, gpu: int) -> None:
        assert (
            f"specifies invalid or unsupported gpu id {gpu}. GPUs with at least the minimum "
            f"required CUDA compute compatibility of 6.000000 are: 0 (Fake GPU 0, compute "
            f"capability 9.0), 2 (Fake GPU 2, compute capability 7.5)"
        ) in reason(gpus, model)

    @pytest.mark.skipif(not HAVE_ONNX, reason="needs onnx and onnxruntime")
    def test_onnx_runtime_for_the_cpu(self, gpus: ServerProcess) -> None:
        """Never a fall-back to the CPU (5.2)."""
        assert reason(gpus, "onnx_gpu").endswith(
            "ONNX Runtime's CUDA execution provider cannot be used: onnx runtime error 1: CUDA "
            "execution provider is not enabled in this build: pip install 'penstock[onnx-gpu]'"
        )
        assert gpus.request("POST", "/v2/models/onnx_gpu/infer", REQUEST).status == 404

    def test_a_cuda_runtime_that_fails(self, gpus: ServerProcess) -> None:
        """The drivers here are too poor for a real one; whatever is missing, the server lives."""
        assert "model" in reason(gpus, "engine")
        assert alive(gpus)

    def test_metrics(self, gpus: ServerProcess) -> None:
        values = gpus.metrics()
        assert values['nv_gpu_utilization{gpu_uuid="GPU-0"}'] == 0.25
        assert values['nv_energy_consumption{gpu_uuid="GPU-0"}'] >= 1.5
        assert 'nv_energy_consumption{gpu_uuid="GPU-1"}' not in values
        uuid = "GPU-20212223-2425-2627-2829-2a2b2c2d2e2f"
        assert f'nv_inference_count{{gpu_uuid="{uuid}",model="on_one_gpu",version="1"}}' in values
        assert 'nv_inference_count{model="on_gpus",version="1"}' in values


class TestWithoutGpus:
    @pytest.mark.parametrize("model", ["on_gpus", "unknown_gpu"])
    def test_instances_on_gpus(self, no_gpus: ServerProcess, model: str) -> None:
        assert "no CUDA driver: libcuda.so.1" in reason(no_gpus, model)

    def test_an_engine_is_refused_before_tensorrt_sees_it(self, no_gpus: ServerProcess) -> None:
        why = reason(no_gpus, "engine")
        assert why.startswith("unable to load model 'engine' version 1: TensorRT runs on GPUs only")
        assert "libcuda.so.1" in why
        assert why.endswith("or serve the model in another format, such as ONNX")
        assert alive(no_gpus)

    def test_metrics(self, no_gpus: ServerProcess) -> None:
        assert not [name for name in no_gpus.metrics() if name.startswith("nv_gpu_")]


def bound_threads(pid: int, name: str) -> list[str]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            lines = (task / "status").read_text().splitlines()
            found += [line.split()[1] for line in lines if line.startswith("Cpus_allowed_list")]
    return found


def test_host_policies(tmp_path: Path) -> None:
    """C-14, O-68."""
    last = max(os.sched_getaffinity(0))
    for name, group in (("near", 'host_policy: "near"'), ("plain", "")):
        folder = tmp_path / "models" / name
        (folder / "1").mkdir(parents=True)
        (folder / "config.pbtxt").write_text(f"{IDENTITY} instance_group {{ {group} }}")
    policy = f"--host-policy=near,cpu-cores={last}-{last}"
    with start(tmp_path / "models", tmp_path, policy) as server:
        for model in ("near", "plain"):  # its thread has its name now
            reply = server.request("POST", f"/v2/models/{model}/infer", REQUEST)
            assert reply.json["outputs"][0]["data"] == [1.5, 2.5]
        assert bound_threads(server.running.pid, "near") == [str(last)]
        assert bound_threads(server.running.pid, "plain") != [str(last)]


@pytest.mark.parametrize(
    ("policy", "cause"),
    [
        ("cpu,cpu-cores=60000-60001", "but this process cannot run on 60000-60001"),
        ("cpu,numa-node=999", "has numa-node=999, which does not exist"),
    ],
)
def test_a_policy_that_the_machine_cannot_follow(tmp_path: Path, policy: str, cause: str) -> None:
    (tmp_path / "models").mkdir()
    server = start(tmp_path / "models", tmp_path, f"--host-policy={policy}")
    server.start()
    assert server.running.wait(20) == 1
    assert "error: creating server: Invalid argument - host policy 'cpu' has" in server.log
    assert cause in server.log
