# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Makes the small ONNX models that the C++ tests and benchmarks run, beside this file.

Run it again after a change: python tests/csrc/data/make_onnx.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

OUT = Path(__file__).parent
Dims = Sequence[int | str | None] | None


def tensor(name: str, dims: Dims, element: int = TensorProto.FLOAT) -> ValueInfoProto:
    """A graph input or output; a str dimension is symbolic, dims None is an unknown rank."""
    return helper.make_tensor_value_info(name, element, dims)


def save(
    file: str,
    nodes: list[NodeProto],
    inputs: list[ValueInfoProto],
    outputs: list[ValueInfoProto],
    constants: dict[str, np.ndarray] | None = None,
) -> None:
    """Write one model, in versions that every supported ONNX Runtime reads."""
    initializers = [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, file, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, OUT / f"{file}.onnx")


def one_to_one(file: str, op: str, element: int, dims: Dims, out_dims: Dims = None) -> None:
    """INPUT0 -> op -> OUTPUT0."""
    node = helper.make_node(op, ["INPUT0"], ["OUTPUT0"])
    out = tensor("OUTPUT0", dims if out_dims is None else out_dims, element)
    save(file, [node], [tensor("INPUT0", dims, element)], [out])


def one_to_one_models() -> None:
    """One operator each, over every element type."""
    one_to_one("relu_dynamic", "Relu", TensorProto.FLOAT, ["N", "S"])
    one_to_one("string_identity", "Identity", TensorProto.STRING, ["N", 2])
    one_to_one("neg_fp16", "Neg", TensorProto.FLOAT16, ["N", 2])
    one_to_one("identity_bf16", "Identity", TensorProto.BFLOAT16, ["N", 2])
    one_to_one("not_bool", "Not", TensorProto.BOOL, ["N", 3])
    one_to_one("neg_scalar", "Neg", TensorProto.FLOAT, [])
    one_to_one("neg_batch_one", "Neg", TensorProto.FLOAT, [1, 4])
    for element, name in [
        (TensorProto.UINT8, "uint8"),
        (TensorProto.UINT16, "uint16"),
        (TensorProto.UINT32, "uint32"),
        (TensorProto.UINT64, "uint64"),
        (TensorProto.INT8, "int8"),
        (TensorProto.INT16, "int16"),
        (TensorProto.INT32, "int32"),
        (TensorProto.INT64, "int64"),
        (TensorProto.DOUBLE, "fp64"),
    ]:
        one_to_one(f"identity_{name}", "Identity", element, ["N", 2])


def dense_models() -> None:
    """Sums, a transposition, and the small network that the benchmark runs."""
    pair = [tensor("INPUT0", ["N", 4]), tensor("INPUT1", ["N", 4])]
    save(
        "add_sub",
        [
            helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
            helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
        ],
        pair,
        [tensor("OUTPUT0", ["N", 4]), tensor("OUTPUT1", ["N", 4])],
    )
    save(
        "transpose_fixed",
        [helper.make_node("Transpose", ["INPUT0"], ["OUTPUT0"])],
        [tensor("INPUT0", [2, 3], TensorProto.INT64)],
        [tensor("OUTPUT0", [3, 2], TensorProto.INT64)],
    )
    rng = np.random.default_rng(7)
    save(  # what the benchmark runs: 16 -> 32 -> 10
        "mlp",
        [
            helper.make_node("Gemm", ["INPUT0", "W1", "B1"], ["H"]),
            helper.make_node("Relu", ["H"], ["R"]),
            helper.make_node("Gemm", ["R", "W2", "B2"], ["OUTPUT0"]),
        ],
        [tensor("INPUT0", ["N", 16])],
        [tensor("OUTPUT0", ["N", 10])],
        {
            "W1": rng.standard_normal((16, 32), np.float32),
            "B1": rng.standard_normal(32, np.float32),
            "W2": rng.standard_normal((32, 10), np.float32),
            "B2": rng.standard_normal(10, np.float32),
        },
    )


def surprising_models() -> None:
    """What a graph does not tell before it runs, or tells wrongly."""
    save(  # the number of columns of its output is known after the run only; it may be 0
        "nonzero",
        [helper.make_node("NonZero", ["INPUT0"], ["OUTPUT0"])],
        [tensor("INPUT0", ["S"])],
        [tensor("OUTPUT0", [1, "K"], TensorProto.INT64)],
    )
    save("passthrough", [], [tensor("X", ["S"])], [tensor("X", ["S"])])
    save(  # an output that no run computes
        "constant",
        [helper.make_node("Neg", ["INPUT0"], ["OUTPUT0"])],
        [tensor("INPUT0", ["S"])],
        [tensor("OUTPUT0", ["S"]), tensor("CONSTANT", [3])],
        {"CONSTANT": np.array([1, 2, 3], np.float32)},
    )
    save(  # declares N rows and makes 2 N
        "doubles_batch",
        [helper.make_node("Concat", ["INPUT0", "INPUT0"], ["OUTPUT0"], axis=0)],
        [tensor("INPUT0", ["N", 4])],
        [tensor("OUTPUT0", ["N", 4])],
    )
    save(  # runs when the elements divide by 3, fails otherwise
        "reshape_by_three",
        [helper.make_node("Reshape", ["INPUT0", "SHAPE"], ["OUTPUT0"])],
        [tensor("INPUT0", ["S"])],
        [tensor("OUTPUT0", [3, "K"])],
        {"SHAPE": np.array([3, -1], np.int64)},
    )


def undescribed_models() -> None:
    """Inputs and outputs that a server can say little of."""
    save(
        "unknown_rank",
        [helper.make_node("Neg", ["INPUT0"], ["OUTPUT0"])],
        [tensor("INPUT0", None)],
        [tensor("OUTPUT0", None)],
    )
    sequence = helper.make_tensor_sequence_value_info("SEQUENCE", TensorProto.FLOAT, ["N", 4])
    save(
        "sequence_output",
        [
            helper.make_node("Neg", ["INPUT0"], ["OUTPUT0"]),
            helper.make_node("SequenceConstruct", ["INPUT0"], ["SEQUENCE"]),
        ],
        [tensor("INPUT0", ["N", 4])],
        [tensor("OUTPUT0", ["N", 4]), sequence],
    )


def main() -> None:
    """Write every model."""
    one_to_one_models()
    dense_models()
    surprising_models()
    undescribed_models()


if __name__ == "__main__":
    main()
