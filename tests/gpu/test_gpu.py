# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What only a real GPU can show; skipped, with the reason, where there is none.

`pytest -s tests/gpu` prints the figures. They need the benchmarks' programs:
`cmake --preset release && cmake --build --preset release --target bench_device`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from penstock.devices.cuda import find_gpus

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

from server_process import ServerProcess

from benchmarks import gpu as benchmark

GPUS = find_gpus()
pytestmark = pytest.mark.skipif(not GPUS.usable, reason=f"no GPU: {GPUS.why_none}")

ROWS, COLUMNS = 4, 64
CONFIG = """
    {backend} max_batch_size: 8
    input {{ name: "INPUT__0" data_type: TYPE_FP32 dims: 64 }}
    output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: 64 }}
    dynamic_batching {{ }}
    instance_group {{ kind: {kind} }}
"""


@pytest.fixture(scope="module")
def measured() -> benchmark.Measured:
    try:
        found = benchmark.measure()
    except RuntimeError as error:
        pytest.skip(str(error))
    print(f"\n{found.gpu.words}")
    for size, raw, pool in found.copies:
        print(f"{size:>10} bytes: raw {raw:.2f} GB/s, pools {pool:.2f} GB/s ({pool / raw:.0%})")
    for taken, begin, end in found.timeline:
        print(f"taken {taken:10.1f} us, executed {begin:10.1f} to {end:10.1f} us")
    print(f"a copy takes {found.copy_us:.0f} us, between batches are {found.gap_us:.0f} us")
    return found


def test_copies_through_the_pools_are_as_fast_as_cudas(measured: benchmark.Measured) -> None:
    for size, raw, pool in measured.copies:
        if size >= benchmark.COPY_BAR_BYTES:
            assert pool >= benchmark.COPY_BAR * raw, f"{size} bytes"


def test_next_batch_is_assembled_during_execution(measured: benchmark.Measured) -> None:
    taken = [row[0] for row in measured.timeline]
    ends = [row[2] for row in measured.timeline]
    assert all(begun < end for begun, end in zip(taken[1:], ends[:-1], strict=True))
    assert measured.gap_us <= benchmark.GAP_BAR * measured.copy_us


def answers(root: Path, log: Path, models: list[str]) -> dict[str, Any]:
    values = np.linspace(-1, 1, ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    tensor = {"name": "INPUT__0", "datatype": "FP32", "shape": [ROWS, COLUMNS]}
    body = {"inputs": [tensor | {"data": values.ravel().tolist()}]}
    found = {}
    with ServerProcess(root, log) as server:
        for model in models:
            reply = server.request("POST", f"/v2/models/{model}/infer", body)
            assert reply.status == 200, reply.body
            found[model] = np.asarray(reply.json["outputs"][0]["data"], np.float32)
        assert "Memory for tensors: pinned" in server.log
    return found


def check(tmp_path: Path, backend: str, file: str, write: Any) -> None:
    root = tmp_path / "models"
    for name, kind in (("on_gpu", "KIND_GPU"), ("on_cpu", "KIND_CPU")):
        (root / name / "1").mkdir(parents=True)
        (root / name / "config.pbtxt").write_text(CONFIG.format(backend=backend, kind=kind))
        write(root / name / "1" / file)
    found = answers(root, tmp_path / "log", ["on_gpu", "on_cpu"])
    np.testing.assert_allclose(found["on_gpu"], found["on_cpu"], rtol=1e-4, atol=1e-5)


def test_pytorch_answers_as_on_the_cpu(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch is one for the CPU")
    torch.manual_seed(0)
    layers = [torch.nn.Linear(COLUMNS, COLUMNS), torch.nn.GELU(), torch.nn.LayerNorm(COLUMNS)]
    module = torch.jit.script(torch.nn.Sequential(*layers).eval())
    check(tmp_path, 'platform: "pytorch_libtorch"', "model.pt", lambda path: module.save(str(path)))


def test_onnx_answers_as_on_the_cpu(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("ONNX Runtime is one for the CPU")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weights = np.random.default_rng(0).normal(size=(COLUMNS, COLUMNS)).astype(np.float32)
    io = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", COLUMNS])
        for name in ("INPUT__0", "OUTPUT__0")
    ]
    nodes = [
        helper.make_node("MatMul", ["INPUT__0", "w"], ["product"]),
        helper.make_node("Tanh", ["product"], ["OUTPUT__0"]),
    ]
    graph = helper.make_graph(nodes, "g", io[:1], io[1:], [numpy_helper.from_array(weights, "w")])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    check(tmp_path, 'backend: "onnxruntime"', "model.onnx", lambda path: onnx.save(model, path))
