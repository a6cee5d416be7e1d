# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ResNet-18 as a model of each framework.

    python -m benchmarks.frameworks.resnet_files FOLDER

writes a model repository of all formats whose frameworks are installed, for `penstock compare`.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.frameworks.resnet import CLASSES, SIDE, resnet
from benchmarks.frameworks.resnet_operations import (
    JaxOperations,
    OnnxOperations,
    TensorFlowOperations,
    TorchOperations,
)


def write_onnx(path: Path) -> None:
    """model.onnx."""
    import onnx
    from onnx import TensorProto, helper

    ops = OnnxOperations()
    last = resnet(ops, "INPUT0")
    ops.nodes.append(helper.make_node("Identity", [last], ["OUTPUT0"]))
    shapes: dict[str, list[str | int | None]] = {
        "INPUT0": ["n", 3, SIDE, SIDE],
        "OUTPUT0": ["n", CLASSES],
    }
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    graph = helper.make_graph(ops.nodes, "resnet18", ends[:1], ends[1:], ops.weights)
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


def write_openvino(path: Path) -> None:
    """model.xml and model.bin, of the ONNX file."""
    import openvino as ov

    onnx_path = path.with_suffix(".onnx")
    write_onnx(onnx_path)
    ov.save_model(ov.convert_model(onnx_path), path, compress_to_fp16=False)
    onnx_path.unlink()


def write_torchscript(path: Path) -> None:
    """model.pt."""
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module = torch.jit.trace(_torch_network(), torch.zeros(2, 3, SIDE, SIDE))
        torch.jit.save(module, str(path))


def write_torch_export(path: Path) -> None:
    """model.pt2."""
    import torch

    shapes = {"x": {0: torch.export.Dim("n", min=1, max=1024)}}
    example = (torch.zeros(2, 3, SIDE, SIDE),)
    program = torch.export.export(_torch_network(), example, dynamic_shapes=shapes)
    torch.export.save(program, path)


def _torch_network() -> Any:
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]  # PyTorch's types are not looked at
        def forward(self, x: torch.Tensor) -> Any:
            return resnet(TorchOperations(), x)

    return Network().eval()


def write_saved_model(path: Path) -> None:
    """model.savedmodel."""
    import tensorflow as tf

    def network(INPUT0: Any) -> dict[str, Any]:
        return {"OUTPUT0": resnet(TensorFlowOperations(), tf.transpose(INPUT0, [0, 2, 3, 1]))}

    module = tf.Module()
    specification = tf.TensorSpec([None, 3, SIDE, SIDE], tf.float32, name="INPUT0")
    module.network = tf.function(network, input_signature=[specification])
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.network})


def write_tflite(path: Path) -> None:
    """model.tflite, of the SavedModel."""
    import tensorflow as tf

    saved = path.with_suffix(".savedmodel")
    write_saved_model(saved)
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
    shutil.rmtree(saved)


def write_jax(path: Path) -> None:
    """model.jaxexport."""
    import jax
    from jax import export

    argument = jax.ShapeDtypeStruct(export.symbolic_shape(f"n, 3, {SIDE}, {SIDE}"), np.float32)
    network = jax.jit(lambda INPUT0: {"OUTPUT0": resnet(JaxOperations(), INPUT0)})
    path.write_bytes(export.export(network, platforms=["cpu"])(INPUT0=argument).serialize())


@dataclass(frozen=True)
class Format:
    """One way to write and to serve the network."""

    #: modules that must be there
    needs: tuple[str, ...]
    filename: str
    write: Callable[[Path], None]
    #: of config.pbtxt, but for tensors and batching
    config: str
    #: what one thread of computing takes, of config.pbtxt
    one_thread: str = ""
    input: str = "INPUT0"
    output: str = "OUTPUT0"


def _threads(key: str) -> str:
    return f'parameters {{ key: "{key}" value {{ string_value: "1" }} }}'


FORMATS: Final = {
    "onnx": Format(
        ("onnx", "onnxruntime"),
        "model.onnx",
        write_onnx,
        'backend: "onnxruntime"',
        _threads("intra_op_thread_count"),
    ),
    "torchscript": Format(("torch",), "model.pt", write_torchscript, 'backend: "pytorch"'),
    "torch_export": Format(
        ("torch",),
        "model.pt2",
        write_torch_export,
        'backend: "pytorch" default_model_filename: "model.pt2"',
        input="INPUT__0",
        output="OUTPUT__0",
    ),
    "saved_model": Format(
        ("tensorflow",),
        "model.savedmodel",
        write_saved_model,
        'platform: "tensorflow_savedmodel"',
        _threads("TF_NUM_INTRA_THREADS"),
    ),
    "tflite": Format(
        ("tensorflow", "ai_edge_litert"), "model.tflite", write_tflite, 'backend: "litert"'
    ),
    "openvino": Format(
        ("openvino", "onnx"),
        "model.xml",
        write_openvino,
        'backend: "openvino" parameters { key: "INFERENCE_PRECISION_HINT" '
        'value { string_value: "f32" } }',
        _threads("INFERENCE_NUM_THREADS"),
    ),
    "jax": Format(("jax",), "model.jaxexport", write_jax, 'backend: "jax"'),
}


def installed() -> list[str]:
    """The formats whose frameworks are here."""
    return [name for name, each in FORMATS.items() if all(map(find_spec, each.needs))]


def write_model(repository: Path, name: str, *, max_batch_size: int) -> Path:
    """A model of the format's name; batched dynamically. Returns its file."""
    each = FORMATS[name]
    path = repository / name / "1" / each.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    each.write(path)
    write_config(repository, name, max_batch_size=max_batch_size)
    return path


def write_config(repository: Path, name: str, *, max_batch_size: int) -> None:
    """The configuration alone."""
    each = FORMATS[name]
    batching = (
        f"max_batch_size: {max_batch_size} dynamic_batching {{ }} "
        f"instance_group {{ count: 1 kind: KIND_CPU }}"
    )
    tensors = (
        f'input {{ name: "{each.input}" data_type: TYPE_FP32 dims: [3, {SIDE}, {SIDE}] }}',
        f'output {{ name: "{each.output}" data_type: TYPE_FP32 dims: {CLASSES} }}',
    )
    text = "\n".join((each.config, each.one_thread, batching, *tensors))
    (repository / name / "config.pbtxt").write_text(text)


def main() -> None:
    """Writes what can be written, and prints the options that compare it."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.frameworks.resnet_files FOLDER")
    for name in installed():
        write_model(Path(sys.argv[1]), name, max_batch_size=16)
    print(" ".join(f"--model {name}" for name in installed()))


if __name__ == "__main__":
    main()
