# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The models that the conformance tests call, written to a folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

import numpy as np

DATATYPES = (
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
    "BF16",
)

HAVE_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))

#: Loaded at the start.
STARTUP_MODELS = (
    *(f"identity_{datatype.lower()}" for datatype in DATATYPES),
    "unbatched",
    "pair",
    "labelled",
    "batcher",
    "slow",
    "short_queue",
    "versions",
    "add_sub",
    "raises",
    *(("linear",) if HAVE_ONNX else ()),
)

_ADD_SUB = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            a = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            b = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
            outputs = [pb_utils.Tensor("OUTPUT0", a + b), pb_utils.Tensor("OUTPUT1", a - b)]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""

_RAISES = """
class TritonPythonModel:
    def execute(self, requests):
        raise ValueError("this model always fails")
"""

_BROKEN = """
class TritonPythonModel:
    def initialize(self, args):
        raise RuntimeError("no weights today")

    def execute(self, requests):
        return []
"""


def write_repository(root: Path) -> None:
    """All models; `idle`, `broken` and `malformed` are there to be loaded by a test, `untried` is
    there to be loaded by none."""
    for datatype in DATATYPES:
        name = f"identity_{datatype.lower()}"
        write_identity(root, name, datatype=datatype, max_batch_size=8)
    write_identity(root, "unbatched", dims="2, -1")
    write_identity(root, "pair", tensors=2, dims="4", max_batch_size=4)
    write_identity(root, "labelled", dims="4", max_batch_size=4, label_file="labels.txt")
    (root / "labelled" / "labels.txt").write_text("zero\none\ntwo\n")
    dynamic = "dynamic_batching { max_queue_delay_microseconds: 2000 }"
    write_identity(root, "batcher", max_batch_size=16, delay_ms=20, extra=dynamic)
    write_identity(root, "slow", max_batch_size=1, delay_ms=400)
    write_identity(
        root,
        "short_queue",
        max_batch_size=1,
        delay_ms=200,
        extra="dynamic_batching { default_queue_policy { max_queue_size: 1 } }",
    )
    write_identity(
        root, "versions", versions=(1, 3), extra="version_policy { all {} }", metric_tags=True
    )
    write_identity(root, "idle", versions=(1, 2))
    write_python(root, "add_sub", _ADD_SUB, max_batch_size=4)
    write_python(root, "raises", _RAISES)
    write_python(root, "broken", _BROKEN)
    (root / "untried" / "1").mkdir(parents=True)
    (root / "untried" / "config.pbtxt").write_text('name: "untried" backend: "identity"')
    (root / "malformed" / "1").mkdir(parents=True)
    (root / "malformed" / "config.pbtxt").write_text('name: "malformed" no_such_field: 1')
    if HAVE_ONNX:
        write_linear(root / "linear" / "1" / "model.onnx")


def write_linear(path: Path) -> None:
    """x[N,4] -> relu(x @ weights)[N,3]: an ONNX model without a config.pbtxt."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    values = np.random.default_rng(7).standard_normal((4, 3)).astype(np.float32)
    weights = numpy_helper.from_array(values, "w")
    graph = helper.make_graph(nodes, "linear", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.parent.mkdir(parents=True)
    save_model(model, path)


def write_identity(
    root: Path,
    name: str,
    *,
    datatype: str = "FP32",
    tensors: int = 1,
    dims: str = "-1",
    max_batch_size: int = 0,
    delay_ms: int = 0,
    versions: Iterable[int] = (1,),
    label_file: str = "",
    metric_tags: bool = False,
    extra: str = "",
) -> None:
    config_type = "STRING" if datatype == "BYTES" else datatype
    lines = [f'name: "{name}"', 'backend: "identity"', f"max_batch_size: {max_batch_size}", extra]
    for index in range(tensors):
        label = f'label_filename: "{label_file}"' if label_file else ""
        tensor = f"data_type: TYPE_{config_type} dims: [ {dims} ]"
        lines.append(f'input {{ name: "INPUT{index}" {tensor} }}')
        lines.append(f'output {{ name: "OUTPUT{index}" {tensor} {label} }}')
    if delay_ms:
        value = f'{{ string_value: "{delay_ms}" }}'
        lines.append(f'parameters {{ key: "execute_delay_ms" value: {value} }}')
    if metric_tags:
        lines.append('metric_tags { key: "team" value: "blue" }')
    for version in versions:
        (root / name / str(version)).mkdir(parents=True)
    (root / name / "config.pbtxt").write_text("\n".join(lines))


def write_python(root: Path, name: str, source: str, *, max_batch_size: int = 0) -> None:
    tensor = "data_type: TYPE_INT32 dims: [ 4 ]"
    lines = [f'name: "{name}"', 'backend: "python"', f"max_batch_size: {max_batch_size}"]
    for index in range(2):
        lines.append(f'input {{ name: "INPUT{index}" {tensor} }}')
        lines.append(f'output {{ name: "OUTPUT{index}" {tensor} }}')
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(source)
    (root / name / "config.pbtxt").write_text("\n".join(lines))
