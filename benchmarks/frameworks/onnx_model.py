# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One linear layer of 16 to 10, as ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.frameworks.resnet import Floats

PACKAGE = "onnxruntime"
CONFIG = """
backend: "onnxruntime"
max_batch_size: 1
input [ { name: "INPUT0", data_type: TYPE_FP32, dims: [ 16 ] } ]
output [ { name: "OUTPUT0", data_type: TYPE_FP32, dims: [ 10 ] } ]
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
instance_group [ { count: 1, kind: KIND_CPU } ]
"""
FILENAME = "model.onnx"


def write(path: Path) -> None:
    """Writes the model's file."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(1).random((16, 10), np.float32)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("INPUT0", 16), ("OUTPUT0", 10))
    ]
    node = helper.make_node("MatMul", ["INPUT0", "weights"], ["OUTPUT0"])
    initializers = [numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph([node], "layer", ends[:1], ends[1:], initializers)
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


def bare_call(path: Path, argument: Floats) -> Callable[[], object]:
    """The cheapest call that ONNX Runtime has from Python: its tensors are bound beforehand."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    binding = session.io_binding()
    binding.bind_ortvalue_input("INPUT0", onnxruntime.OrtValue.ortvalue_from_numpy(argument))
    binding.bind_output("OUTPUT0")
    # The names of Python's wrapper above it add two dictionaries a call.
    run, bound = session._sess.run_with_iobinding, binding._iobinding
    return lambda: run(bound, None)
