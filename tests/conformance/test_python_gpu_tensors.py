# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Python models that answer with tensors in a GPU's memory (contract 5.1: `from_dlpack`, `is_cpu`).

In a process of their own and in the server, on a CUDA of the tests: no processor can touch its
memory.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import Reply, ServerProcess

sys.path.insert(0, str(Path(__file__).parent.parent / "fakes"))

from fake_libraries import compile_library

MODEL = '''
import ctypes

import numpy as np
import triton_python_backend_utils as pb_utils
from penstock._engine import tensor_from_cuda_array

cuda = ctypes.CDLL("libcudart.so")
cuda.fake_cudart_view.restype = ctypes.c_void_p


class OnGpu:
    """An array of a framework."""

    def __init__(self, values, device):
        self.device = device
        self.address = ctypes.c_void_p()
        assert cuda.cudaSetDevice(device) == 0
        assert cuda.cudaMalloc(ctypes.byref(self.address), ctypes.c_ulong(values.nbytes)) == 0
        assert cuda.cudaSetDevice(0) == 0
        view = (ctypes.c_char * values.nbytes).from_address(cuda.fake_cudart_view(self.address))
        view[:] = values.tobytes()
        self.__cuda_array_interface__ = {
            "version": 3, "shape": values.shape, "typestr": "<f4", "strides": None,
            "data": (self.address.value, False),
        }

    def __dlpack_device__(self):
        return (2, self.device)

    def __dlpack__(self, *, stream=None):
        current = ctypes.c_int()
        assert cuda.cudaGetDevice(ctypes.byref(current)) == 0
        assert (current.value, stream) == (self.device, 1)  # as PyTorch wants it
        return tensor_from_cuda_array(self, self.device).__dlpack__()

    def __del__(self):
        cuda.cudaFree(self.address)


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        values = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        doubled = OnGpu(2 * values, device=1 if values.flat[0] == 3 else 0)
        tensor = pb_utils.Tensor.from_dlpack("OUTPUT0", doubled)
        current = ctypes.c_int()
        assert cuda.cudaGetDevice(ctypes.byref(current)) == 0
        assert current.value == 0
        assert not tensor.is_cpu()
        if values.flat[0] == 1:
            tensor.as_numpy()
        if values.flat[0] == 2:
            asked = pb_utils.Tensor.from_dlpack("INPUT0", tensor)
            call = pb_utils.InferenceRequest(
                model_name="identity", inputs=[asked], requested_output_names=["OUTPUT0"])
            return pb_utils.InferenceResponse(call.exec().output_tensors())
        return pb_utils.InferenceResponse([tensor])
'''
CONFIG = """
    backend: "{backend}" max_batch_size: 0
    input {{ name: "INPUT0" data_type: TYPE_FP32 dims: -1 }}
    output {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: -1 }}
    instance_group {{ kind: KIND_CPU }}
"""
MODE = 'parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("gpu")
    compile_library("fake_cudart.cc", folder / "libcudart.so")
    root = folder / "models"
    for name in ("process", "in_process", "identity"):
        (root / name / "1").mkdir(parents=True)
        backend = "identity" if name == "identity" else "python"
        config = CONFIG.format(backend=backend)
        if backend == "python":
            config += MODE.format(mode=name)
            (root / name / "1" / "model.py").write_text(MODEL)
        (root / name / "config.pbtxt").write_text(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}")
        patch.setenv("FAKE_CUDART_DEVICES", "2")
        patch.setenv("FAKE_CUDART_FAULTS", str(folder / "faults"))
        running = ServerProcess(root, folder / "log")
        with running:
            yield running


def infer(server: ServerProcess, model: str, *values: float) -> Reply:
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [len(values)], "data": values}
    body = json.dumps({"inputs": [tensor]}).encode()
    return server.request("POST", f"/v2/models/{model}/infer", body)


@pytest.mark.parametrize("model", ["process", "in_process"])
def test_an_output_on_a_gpu_reaches_the_client(server: ServerProcess, model: str) -> None:
    reply = infer(server, model, 1.5, 2.5, 4)
    assert reply.status == 200, reply.body
    assert reply.json["outputs"][0]["data"] == [3, 5, 8]


@pytest.mark.parametrize("model", ["process", "in_process"])
def test_of_any_gpu(server: ServerProcess, model: str) -> None:
    """Frameworks export from the current GPU only, and order their work before a stream's."""
    reply = infer(server, model, 3, 4)
    assert reply.status == 200, reply.body
    assert reply.json["outputs"][0]["data"] == [6, 8]


@pytest.mark.parametrize("model", ["process", "in_process"])
def test_another_model_gets_it_too(server: ServerProcess, model: str) -> None:
    reply = infer(server, model, 2, 3)
    assert reply.status == 200, reply.body
    assert reply.json["outputs"][0]["data"] == [4, 6]


@pytest.mark.parametrize("model", ["process", "in_process"])
def test_numpy_does_not_get_it(server: ServerProcess, model: str) -> None:
    reply = infer(server, model, 1)
    assert reply.status == 500
    assert "Tensor is stored in GPU and cannot be converted to NumPy." in reply.error


@pytest.mark.parametrize("model", ["process", "in_process"])
def test_a_copy_that_fails_is_the_requests_error(server: ServerProcess, model: str) -> None:
    faults = server.log_path.with_name("faults")
    faults.write_text("cudaMemcpy 1\n")
    try:
        reply = infer(server, model, 7)
    finally:
        faults.unlink()
    assert reply.status == 500
    assert "GPU 0: cudaMemcpy: invalid argument (1)" in reply.error
    assert infer(server, model, 7).status == 200
