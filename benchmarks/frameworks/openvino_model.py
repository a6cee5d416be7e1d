# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One linear layer of 16 to 10, as OpenVINO IR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.frameworks.resnet import Floats

PACKAGE = "openvino"
CONFIG = """
backend: "openvino"
max_batch_size: 1
input [ { name: "INPUT0", data_type: TYPE_FP32, dims: [ 16 ] } ]
output [ { name: "OUTPUT0", data_type: TYPE_FP32, dims: [ 10 ] } ]
parameters { key: "INFERENCE_NUM_THREADS" value { string_value: "1" } }
"""
FILENAME = "model.xml"


def write(path: Path) -> None:
    """Writes the model's two files."""
    import numpy as np
    import openvino as ov
    from openvino import opset13

    argument = opset13.parameter(ov.PartialShape([-1, 16]), np.float32, name="INPUT0")
    argument.output(0).get_tensor().set_names({"INPUT0"})
    weights = np.random.default_rng(1).random((16, 10), np.float32)
    product = opset13.matmul(argument, opset13.constant(weights), False, False)
    product.output(0).get_tensor().set_names({"OUTPUT0"})
    ov.save_model(ov.Model([opset13.result(product)], [argument]), path, compress_to_fp16=False)


def bare_call(path: Path, argument: Floats) -> Callable[[], object]:
    """One inference of a request, with its argument in place."""
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    request = ov.Core().compile_model(path, "CPU", settings).create_infer_request()
    tensor = ov.Tensor(argument)

    def call() -> object:
        request.set_input_tensor(0, tensor)
        request.infer()
        return request.get_output_tensor(0).data

    return call
