# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A whole server whose tensors are in the memory of GPUs, and shared by clients there (1.9, 4.9).

CUDA's runtime and driver come from the tests' own libraries. Their memory can be shared by
processes, as that of GPUs, and touched by no processor.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess

sys.path.insert(0, str(Path(__file__).parent.parent / "fakes"))

from fake_libraries import compile_library

IDENTITY = """
    backend: "identity" max_batch_size: 4
    input { name: "INPUT0" data_type: TYPE_FP32 dims: -1 }
    output { name: "OUTPUT0" data_type: TYPE_FP32 dims: -1 }
"""
MODELS = {
    "gpu": IDENTITY + "instance_group { kind: KIND_GPU gpus: 0 }",
    "cpu": IDENTITY + "instance_group { kind: KIND_CPU }",
    "other_gpu": IDENTITY + "instance_group { kind: KIND_GPU gpus: 1 }",
}
BASE = "/v2/cudasharedmemory"
NEW_MODEL = json.dumps(
    {
        "backend": "identity",
        "max_batch_size": 4,
        "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
        "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [-1]}],
        "instance_group": [{"kind": "KIND_GPU", "gpus": [0]}],
    }
)


class GpuMemory:
    """Memory of a GPU as a client has it."""

    def __init__(self, cuda: ctypes.CDLL, values: Any) -> None:
        self._array = np.asarray(values, np.float32)
        self._cuda = cuda
        self._address = ctypes.c_void_p()
        assert cuda.cudaMalloc(ctypes.byref(self._address), ctypes.c_ulong(self.nbytes)) == 0
        np.copyto(self.values, self._array)
        handle = ctypes.create_string_buffer(64)
        assert cuda.cudaIpcGetMemHandle(handle, self._address) == 0
        self.handle = handle.raw

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    @property
    def values(self) -> Any:
        self._cuda.fake_cudart_view.restype = ctypes.c_void_p
        address = self._cuda.fake_cudart_view(self._address)
        count = self._array.size
        return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))

    def registration(self, byte_size: int | None = None) -> dict[str, Any]:
        return {
            "raw_handle": {"b64": base64.b64encode(self.handle).decode()},
            "device_id": 0,
            "byte_size": self.nbytes if byte_size is None else byte_size,
        }


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("libraries")
    compile_library("fake_libcuda.c", folder / "libcuda.so.1")
    compile_library("fake_cudart.cc", folder / "libcudart.so")
    return folder


@pytest.fixture(scope="module")
def cuda(libraries: Path) -> ctypes.CDLL:
    """The client's own CUDA."""
    return ctypes.CDLL(str(libraries / "libcudart.so"))


@pytest.fixture
def server(
    libraries: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[ServerProcess]:
    root = tmp_path / "models"
    for name, config in MODELS.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "config.pbtxt").write_text(config)
    options = ["--allow-client-shm=true", "--exit-on-error=false", "--strict-readiness=false"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}")
        patch.setenv("FAKE_CUDA_GPUS", "9.0,9.0")
        patch.setenv("FAKE_CUDART_DEVICES", "2")
        patch.setenv("FAKE_CUDART_FAULTS", str(tmp_path / "faults"))
        running = ServerProcess(root, tmp_path / "log", *options, *getattr(request, "param", ()))
        running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        assert running.stop() == 0


def infer(
    server: ServerProcess, model: str, tensor: dict[str, Any], output: dict[str, Any] | None = None
) -> Any:
    body: dict[str, Any] = {"inputs": [{"name": "INPUT0", "datatype": "FP32"} | tensor]}
    if output is not None:
        body["outputs"] = [{"name": "OUTPUT0", "parameters": output}]
    return server.request("POST", f"/v2/models/{model}/infer", body)


def data(*values: float) -> dict[str, Any]:
    return {"shape": [1, len(values)], "data": list(values)}


def window(region: str, size: int, offset: int = 0) -> dict[str, Any]:
    return {
        "shared_memory_region": region,
        "shared_memory_byte_size": size,
        "shared_memory_offset": offset,
    }


def register(server: ServerProcess, name: str, memory: GpuMemory) -> None:
    reply = server.request("POST", f"{BASE}/region/{name}/register", memory.registration())
    assert reply.status == 200, reply.body


def test_models_on_gpus_answer_over_its_memory(server: ServerProcess) -> None:
    for model in ("gpu", "other_gpu"):
        reply = infer(server, model, data(1.5, 2.5))
        assert reply.status == 200, reply.body
        assert reply.json["outputs"][0]["data"] == [1.5, 2.5]
    metrics = server.metrics()
    total = [key for key in metrics if key.startswith("penstock_cuda_memory_pool_total_bytes")]
    assert [metrics[key] for key in total] == [67108864, 67108864]
    assert "Memory for tensors: pinned" in server.log


@pytest.mark.parametrize("model", ["gpu", "cpu", "other_gpu"])
def test_inputs_and_outputs_are_in_shared_memory(
    server: ServerProcess, cuda: ctypes.CDLL, model: str
) -> None:
    """SHM-3 to SHM-6: from a region and to one, whatever device the model runs on."""
    source = GpuMemory(cuda, [0, 1, 2, 3])
    target = GpuMemory(cuda, [9, 9, 9, 9])
    register(server, "in", source)
    register(server, "out", target)
    tensor = {"shape": [1, 2], "parameters": window("in", 8, 4)}
    reply = infer(server, model, tensor, window("out", 12, 4))
    assert reply.status == 200, reply.body
    assert reply.json["outputs"] == [{"name": "OUTPUT0", "datatype": "FP32", "shape": [1, 2]}]
    assert target.values.tolist() == [9, 1, 2, 9]
    # From a region into the message, and the other way round.
    assert infer(server, model, tensor).json["outputs"][0]["data"] == [1, 2]
    assert infer(server, model, data(5, 6), window("out", 8)).status == 200
    assert target.values.tolist() == [5, 6, 2, 9]


def test_status_and_unregister(server: ServerProcess, cuda: ctypes.CDLL) -> None:
    """SHM-2, SHM-4, SHM-5."""
    memory = GpuMemory(cuda, [1, 2])
    assert server.request("GET", f"{BASE}/status").json == []
    register(server, "r", memory)
    shown = [{"name": "r", "device_id": 0, "byte_size": 8}]
    assert server.request("GET", f"{BASE}/status").json == shown
    assert server.request("GET", f"{BASE}/region/r/status").json == shown
    again = server.request("POST", f"{BASE}/region/r/register", memory.registration())
    assert (again.status, again.error) == (400, "shared memory region 'r' already in manager")
    unknown = server.request("GET", f"{BASE}/region/s/status")
    assert (unknown.status, unknown.error) == (404, "Unable to find cuda shared memory region: 's'")
    other = server.request("GET", "/v2/systemsharedmemory/region/r/status")
    assert other.status == 404
    assert other.error == (
        "The region named 'r' is registered as CUDA shared memory, not system shared memory"
    )
    assert server.request("POST", f"{BASE}/region/s/unregister").status == 200
    assert server.request("POST", f"{BASE}/unregister").status == 200
    assert server.request("GET", f"{BASE}/status").json == []
    gone = infer(server, "gpu", {"shape": [1, 2], "parameters": window("r", 8)})
    assert (gone.status, gone.error) == (404, "Unable to find shared memory region: 'r'")


def test_bad_registrations_are_refused(server: ServerProcess, cuda: ctypes.CDLL) -> None:
    """SHM-3."""
    good = GpuMemory(cuda, [1, 2]).registration()
    handle = "'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t"
    invalid = "failed to register shared memory region: invalid args"
    cases = [
        ({}, "Shared memory register request has no 'raw_handle' field"),
        ({"raw_handle": {}}, handle),
        ({"raw_handle": {"b64": "?"}}, handle),
        ({"raw_handle": good["raw_handle"]}, "Shared memory register request has no 'device_id'"),
        (good | {"raw_handle": {"b64": "AAAA"}}, invalid),
        (good | {"device_id": 5}, invalid),
        (good | {"byte_size": 0}, invalid),
        (good | {"byte_size": -1}, "Unable to parse 'byte_size': expected an unsigned integer"),
        (good | {"byte_size": 9}, "failed to register shared memory region 'r': invalid args"),
    ]
    for body, text in cases:
        reply = server.request("POST", f"{BASE}/region/r/register", body)
        assert (reply.status, reply.error[: len(text)]) == (400, text)
    assert server.request("GET", f"{BASE}/status").json == []


def test_windows_are_checked(server: ServerProcess, cuda: ctypes.CDLL) -> None:
    """SHM-6."""
    register(server, "r", GpuMemory(cuda, [1, 2]))
    cases = [
        (window("r", 8, 8), "Invalid offset for shared memory region: 'r'"),
        (window("r", 8, 4), "Invalid offset + byte size for shared memory region: 'r'"),
    ]
    for parameters, text in cases:
        reply = infer(server, "gpu", {"shape": [1, 2], "parameters": parameters})
        assert (reply.status, reply.error) == (400, text)
    small = infer(server, "gpu", data(1, 2), window("r", 4))
    assert small.status == 500
    assert small.error == (
        "shared memory size specified with the request for output 'OUTPUT0' (4 bytes) should be "
        "at least 8 bytes to hold the results"
    )


def test_grpc(server: ServerProcess, cuda: ctypes.CDLL) -> None:
    """G-16 to G-18, SHM-7, SHM-8."""
    grpc = pytest.importorskip("tritonclient.grpc")
    memory = GpuMemory(cuda, [3, 4, 0, 0])
    with grpc.InferenceServerClient(server.grpc_url) as client:
        client.register_cuda_shared_memory("r", base64.b64encode(memory.handle), 0, 16)
        status = client.get_cuda_shared_memory_status(as_json=True)
        assert status["regions"]["r"] == {"name": "r", "byte_size": "16"}
        tensor = grpc.InferInput("INPUT0", [1, 2], "FP32")
        tensor.set_shared_memory("r", 8)
        output = grpc.InferRequestedOutput("OUTPUT0")
        output.set_shared_memory("r", 8, offset=8)
        result = client.infer("gpu", [tensor], outputs=[output])
        shown = result.get_output("OUTPUT0")
        assert (shown.datatype, list(shown.shape)) == ("FP32", [1, 2])
        assert list(result.get_response().raw_output_contents) == [b""]
        client.unregister_cuda_shared_memory("r")
        assert not client.get_cuda_shared_memory_status().regions
    assert memory.values.tolist() == [3, 4, 3, 4]


def test_failures_of_the_device_are_the_requests_own(server: ServerProcess, tmp_path: Path) -> None:
    faults = tmp_path / "faults"
    faults.write_text("cudaMemcpyAsync 1\n")
    reply = infer(server, "gpu", data(1, 2))
    assert reply.status == 500
    assert reply.error == (
        "input 'INPUT0' of model 'gpu': GPU 0: cudaMemcpyAsync: invalid argument (1)"
    )
    faults.unlink()
    assert infer(server, "gpu", data(1, 2)).status == 200


def test_lost_device_takes_its_models_with_it(server: ServerProcess, tmp_path: Path) -> None:
    faults = tmp_path / "faults"
    faults.write_text("cudaMemcpyAsync 719\n")
    assert infer(server, "gpu", data(1, 2)).status == 503
    faults.unlink()
    lost = "GPU 0 is lost to this server, which must be restarted"
    reply = infer(server, "gpu", data(1, 2))
    assert (reply.status, reply.error[: len(lost)]) == (503, lost)
    assert server.request("GET", "/v2/models/gpu/ready").status == 400
    index = {each["name"]: each for each in server.request("POST", "/v2/repository/index").json}
    assert index["gpu"]["state"] == "UNAVAILABLE"
    assert index["gpu"]["reason"].startswith(lost)
    assert index["other_gpu"]["state"] == index["cpu"]["state"] == "READY"
    for model in ("cpu", "other_gpu"):
        assert infer(server, model, data(1, 2)).status == 200


EXPLICIT = ("--model-control-mode=explicit", "--load-model=gpu", "--model-load-gpu-limit=0:0")


@pytest.mark.parametrize("server", [EXPLICIT], indirect=True)
def test_full_gpu_gets_no_more_models(server: ServerProcess) -> None:
    """R-31: the limit is on what is in use, and nothing is when the first model comes."""
    assert infer(server, "gpu", data(1, 2)).status == 200  # its tensors' memory stays in the pool
    reply = server.request(
        "POST",
        "/v2/repository/models/new/load",
        {"parameters": {"config": NEW_MODEL, "file:1/nothing": ""}},
    )
    assert reply.status == 400
    text = (
        "can not create model 'new': memory limit set for GPU 0 has exceeded, model loading is "
        "rejected."
    )
    assert text in reply.error
    assert server.request("POST", "/v2/repository/models/other_gpu/load").status == 200


def test_without_a_gpu_it_is_refused_by_name(tmp_path: Path) -> None:
    """SHM-3."""
    root = tmp_path / "models"
    (root / "cpu" / "1").mkdir(parents=True)
    (root / "cpu" / "config.pbtxt").write_text(MODELS["cpu"])
    with ServerProcess(root, tmp_path / "log", "--allow-client-shm=true") as server:
        body = {"raw_handle": {"b64": "AAAA"}, "device_id": 0, "byte_size": 4}
        for action in ("register", "unregister"):
            reply = server.request("POST", f"{BASE}/region/r/{action}", body)
            assert (reply.status, reply.error) == (
                400,
                f"failed to {action} CUDA shared memory region: 'r', GPUs not supported",
            )
        assert infer(server, "cpu", data(1, 2)).status == 200
