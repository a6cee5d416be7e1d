# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ONNX models that take ragged batches (contract C-4, 2.4), written to a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper, save_model

_RAGGED = 'name: "X" data_type: TYPE_FP32 allow_ragged_batch: true'


def write_repository(root: Path) -> None:
    """Every model waits for three requests: they are one batch, or time tells."""
    _write_segments(root)
    _write_kinds(root)
    _write_other_ranks(root)


def _write(
    root: Path,
    name: str,
    config: str,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Mapping[str, Sequence[int]],
) -> None:
    initializers = [
        numpy_helper.from_array(np.array(value, np.int64), key) for key, value in constants.items()
    ]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (root / name / "1").mkdir(parents=True)
    save_model(model, root / name / "1" / "model.onnx")
    batching = (
        "max_batch_size: 3 dynamic_batching { max_queue_delay_microseconds: 10000000 } "
        "instance_group { count: 1 }"
    )
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "onnxruntime" {batching} {config}'
    )


def _tensor(name: str, element: int, *dims: str | int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, element, dims)


def _batch_input(kind: str, target: str, data_type: str = "INT32") -> str:
    return (
        f'batch_input {{ kind: {kind} target_name: "{target}" data_type: TYPE_{data_type} '
        f'source_input: "X" }}\n'
    )


def _write_segments(root: Path) -> None:
    """SUM[1]: of X, by where its elements end; DOUBLE: 2 * X, cut by the shapes of X."""
    nodes = [
        helper.make_node("CumSum", ["X", "axis"], ["running"]),
        helper.make_node("Concat", ["nothing", "running"], ["until"], axis=0),
        helper.make_node("Slice", ["ENDS", "one", "many"], ["last"]),
        helper.make_node("Slice", ["ENDS", "zero", "minus_one"], ["first"]),
        helper.make_node("Gather", ["until", "last"], ["behind"]),
        helper.make_node("Gather", ["until", "first"], ["before"]),
        helper.make_node("Sub", ["behind", "before"], ["sums"]),
        helper.make_node("Unsqueeze", ["sums", "one"], ["SUM"]),
        helper.make_node("Add", ["X", "X"], ["DOUBLE"]),
        helper.make_node("Cast", ["zero"], ["nothing"], to=TensorProto.FLOAT),
    ]
    constants = {"axis": [0], "zero": [0], "one": [1], "minus_one": [-1], "many": [2**31]}
    _write(
        root,
        "segments",
        f"input {{ {_RAGGED} dims: [-1] }}"
        'output { name: "SUM" data_type: TYPE_FP32 dims: [1] }'
        'output { name: "DOUBLE" data_type: TYPE_FP32 dims: [-1] }'
        + _batch_input("BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", "ENDS")
        + 'batch_output { target_name: "DOUBLE" source_input: "X" }',
        nodes,
        [_tensor("X", TensorProto.FLOAT, "n"), _tensor("ENDS", TensorProto.INT32, "b")],
        [_tensor("SUM", TensorProto.FLOAT, "r", 1), _tensor("DOUBLE", TensorProto.FLOAT, "n")],
        constants,
    )


#: What the model `kinds` gives: the batch input it is made of.
KINDS = {
    "COUNT": "BATCH_ELEMENT_COUNT",
    "TOTAL": "BATCH_ACCUMULATED_ELEMENT_COUNT",
    "MOST": "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
    "SHAPE": "BATCH_ITEM_SHAPE",
    "FLAT": "BATCH_ITEM_SHAPE_FLATTEN",
}


#: Of the batch inputs: the one that is not INT32, those that have a row of two, the one of rank 2.
_FLOATS, _PAIRS, _RANK_TWO = ("TOTAL",), ("SHAPE", "FLAT"), ("SHAPE",)


def _write_kinds(root: Path) -> None:
    """Outputs are the batch inputs as the model sees them, a row for each request."""
    nodes = [
        helper.make_node("Unsqueeze", ["IN_COUNT", "one"], ["COUNT"]),
        helper.make_node("Unsqueeze", ["IN_TOTAL", "one"], ["TOTAL"]),
        helper.make_node("Identity", ["IN_SHAPE"], ["SHAPE"]),
        helper.make_node("Reshape", ["IN_FLAT", "pairs"], ["FLAT"]),
        helper.make_node("Shape", ["IN_MOST"], ["most"]),
        helper.make_node("Cast", ["most"], ["most32"], to=TensorProto.INT32),
        helper.make_node("Sub", ["COUNT", "COUNT"], ["zeros"]),
        helper.make_node("Add", ["zeros", "most32"], ["MOST"]),
        helper.make_node("ReduceSum", ["X"], ["all"], keepdims=0),
        helper.make_node("Cast", ["zeros"], ["zero_floats"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["zero_floats", "all"], ["ALL"]),
    ]
    config = f"input {{ {_RAGGED} dims: [-1, -1] }}"
    config += 'output { name: "ALL" data_type: TYPE_FP32 dims: [1] }'
    inputs = [_tensor("X", TensorProto.FLOAT, "n")]
    outputs = [_tensor("ALL", TensorProto.FLOAT, "b", 1)]
    for name, kind in KINDS.items():
        data_type = "FP32" if name in _FLOATS else "INT32"
        element = TensorProto.FLOAT if name in _FLOATS else TensorProto.INT32
        columns = 2 if name in _PAIRS else 1
        dims = ["items", "rank"] if name in _RANK_TWO else [f"n_{name}"]
        inputs.append(_tensor(f"IN_{name}", element, *dims))
        outputs.append(_tensor(name, element, f"b_{name}", columns))
        config += _batch_input(kind, f"IN_{name}", data_type)
        config += f'output {{ name: "{name}" data_type: TYPE_{data_type} dims: [{columns}] }}\n'
    _write(root, "kinds", config, nodes, inputs, outputs, {"one": [1], "pairs": [-1, 2]})


def _write_other_ranks(root: Path) -> None:
    """Models that want other shapes than ragged inputs and batch inputs have: they do not load."""
    double = helper.make_node("Add", ["X", "X"], ["DOUBLE"])
    config = f'input {{ {_RAGGED} dims: [-1] }} output {{ name: "DOUBLE" data_type: TYPE_FP32 '
    config += 'dims: [-1] } batch_output { target_name: "DOUBLE" source_input: "X" }'
    x, out = (_tensor(name, TensorProto.FLOAT, "b", "n") for name in ("X", "DOUBLE"))
    _write(root, "not_flat", config, [double], [x], [out], {})
    x, out = (_tensor(name, TensorProto.FLOAT, "n") for name in ("X", "DOUBLE"))
    counts = _tensor("COUNTS", TensorProto.INT32, "b", "k")
    config += _batch_input("BATCH_ELEMENT_COUNT", "COUNTS")
    _write(root, "counts_not_flat", config, [double], [x, counts], [out], {})
