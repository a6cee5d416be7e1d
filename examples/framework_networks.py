# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One small network, written in the format of every framework: x [n, 3, 16, 16] -> y [n, 10].

A convolution of 3 x 3 to eight channels, ReLU, the mean of each channel, a layer to ten scores and
softmax. `expected` computes it with numpy. Each writer imports its framework itself.

    python examples/framework_networks.py FOLDER

writes a model repository of all formats whose frameworks are installed, for `penstock serve` and
`penstock compare` (docs/compare.md).
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_random = np.random.default_rng(5)
KERNEL = (_random.standard_normal((8, 3, 3, 3)) / 3).astype(np.float32)  # out, in, height, width
BIAS = _random.standard_normal(8).astype(np.float32)
LAYER = _random.standard_normal((8, 10)).astype(np.float32)


def sample(rows: int, seed: int) -> np.ndarray:
    """An input."""
    return np.random.default_rng(seed).standard_normal((rows, 3, 16, 16), np.float32)


def expected(x: np.ndarray) -> np.ndarray:
    """What every framework must answer."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    image = np.einsum("nchwij,ocij->nohw", windows, KERNEL) + BIAS[:, None, None]
    scores = np.exp(np.maximum(image, 0).mean(axis=(2, 3)) @ LAYER)
    answer: np.ndarray = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return answer


def write_onnx(folder: Path) -> None:
    """model.onnx."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["image"]),
        helper.make_node("Relu", ["image"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "layer"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"]),
    ]
    weights = {"kernel": KERNEL, "bias": BIAS, "layer": LAYER}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "model.onnx")


def write_openvino(folder: Path) -> None:
    """OpenVINO IR: model.xml and model.bin."""
    import openvino as ov

    write_onnx(folder)
    network = ov.convert_model(folder / "model.onnx")
    (folder / "model.onnx").unlink()
    ov.save_model(network, folder / "model.xml", compress_to_fp16=False)


def _torch_network() -> Any:
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]  # PyTorch's types are not looked at
        def __init__(self) -> None:
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 8, 3)
            self.layer = torch.nn.Linear(8, 10, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            image = torch.relu(self.convolution(x))
            return torch.softmax(self.layer(image.mean(dim=[2, 3])), dim=1)

    network = Network().eval()
    weights = {"convolution.weight": KERNEL, "convolution.bias": BIAS, "layer.weight": LAYER.T}
    network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return network


def write_torchscript(folder: Path) -> None:
    """TorchScript: model.pt."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.trace(_torch_network(), torch.tensor(sample(2, 0)))
        torch.jit.save(module, folder / "model.pt")


def write_torch_export(folder: Path) -> None:
    """A torch.export program: model.pt2."""
    import torch

    shapes = {"x": {0: torch.export.Dim("n", min=1, max=1024)}}
    example = (torch.tensor(sample(2, 0)),)
    program = torch.export.export(_torch_network(), example, dynamic_shapes=shapes)
    torch.export.save(program, folder / "model.pt2")


def _tensorflow_network() -> Any:
    import tensorflow as tf

    kernel = tf.Variable(KERNEL.transpose(2, 3, 1, 0))

    def network(x: Any) -> dict[str, Any]:
        image = tf.nn.conv2d(tf.transpose(x, [0, 2, 3, 1]), kernel, 1, "VALID") + BIAS
        means = tf.reduce_mean(tf.nn.relu(image), axis=[1, 2])
        return {"y": tf.nn.softmax(tf.matmul(means, LAYER))}

    module = tf.Module()
    specification = tf.TensorSpec([None, 3, 16, 16], tf.float32, name="x")
    module.kernel, module.network = kernel, tf.function(network, input_signature=[specification])
    return module


def write_saved_model(folder: Path) -> None:
    """model.savedmodel."""
    import tensorflow as tf

    module = _tensorflow_network()
    path = folder / "model.savedmodel"
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.network})


def write_tflite(folder: Path) -> None:
    """TensorFlow Lite: model.tflite."""
    import tensorflow as tf

    write_saved_model(folder)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "model.savedmodel"))
    (folder / "model.tflite").write_bytes(converter.convert())
    (folder / "model.savedmodel").rename(folder.parent / "not_served")


def write_jax(folder: Path) -> None:
    """A jax.export program: model.jaxexport."""
    import jax
    from jax import export, lax

    def network(*, x: Any) -> dict[str, Any]:
        image = lax.conv(x, KERNEL, (1, 1), "VALID") + BIAS[:, None, None]
        means = jax.nn.relu(image).mean(axis=(2, 3))
        return {"y": jax.nn.softmax(means @ LAYER)}

    argument = jax.ShapeDtypeStruct(export.symbolic_shape("n, 3, 16, 16"), np.float32)
    exported = export.export(jax.jit(network), platforms=["cpu"])(x=argument)
    (folder / "model.jaxexport").write_bytes(exported.serialize())


def write_python(folder: Path) -> None:
    """model.py, which calls numpy."""
    np.savez(folder / "weights.npz", kernel=KERNEL, bias=BIAS, layer=LAYER)
    (folder / "model.py").write_text(_PYTHON)


_PYTHON = """
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.weights = np.load(Path(__file__).parent / "weights.npz")
        self.weights = {name: self.weights[name] for name in self.weights.files}

    def execute(self, requests):
        return [pb_utils.InferenceResponse([self.answer(request)]) for request in requests]

    def answer(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        image = np.einsum("nchwij,ocij->nohw", windows, self.weights["kernel"])
        image = np.maximum(image + self.weights["bias"][:, None, None], 0)
        scores = np.exp(image.mean(axis=(2, 3)) @ self.weights["layer"])
        y = scores / scores.sum(axis=1, keepdims=True)
        return pb_utils.Tensor("y", y.astype(np.float32))
"""

_TENSORS = """
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [3, 16, 16] }
output { name: "y" data_type: TYPE_FP32 dims: 10 }
"""
_NUMBERED = _TENSORS.replace('"x"', '"INPUT__0"').replace('"y"', '"OUTPUT__0"')
_EXACT = "parameters { key: 'INFERENCE_PRECISION_HINT' value { string_value: 'f32' } }"


@dataclass(frozen=True)
class Network:
    """One format of the network."""

    #: modules that must be there to write and to serve it
    needs: tuple[str, ...]
    write: Callable[[Path], None]
    #: empty: all of it is completed from the file
    config: str = ""
    input: str = "x"
    output: str = "y"


NETWORKS = {
    "onnx": Network(("onnx", "onnxruntime"), write_onnx),
    "torchscript": Network(
        ("torch",), write_torchscript, f'backend: "pytorch" {_NUMBERED}', "INPUT__0", "OUTPUT__0"
    ),
    "torch_export": Network(
        ("torch",),
        write_torch_export,
        f'backend: "pytorch" default_model_filename: "model.pt2" {_NUMBERED}',
        "INPUT__0",
        "OUTPUT__0",
    ),
    "saved_model": Network(("tensorflow",), write_saved_model),
    "tflite": Network(("tensorflow", "ai_edge_litert"), write_tflite),
    "openvino": Network(("openvino", "onnx"), write_openvino, f'backend: "openvino" {_EXACT}'),
    "jax": Network(("jax",), write_jax),
    "python": Network((), write_python, f'backend: "python" {_TENSORS}'),
}


def write_network(root: Path, name: str) -> None:
    """A model of the network's name below the repository."""
    folder = root / name / "1"
    folder.mkdir(parents=True)
    network = NETWORKS[name]
    network.write(folder)
    if network.config:
        (root / name / "config.pbtxt").write_text(network.config)


def installed() -> list[str]:
    """The names of the networks whose frameworks are here."""
    return [
        name
        for name, network in NETWORKS.items()
        if all(importlib.util.find_spec(module) for module in network.needs)
    ]


def main() -> None:
    """Writes what can be written."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {Path(sys.argv[0]).name} FOLDER")
    root = Path(sys.argv[1])
    for name in installed():
        write_network(root, name)
    print(" ".join(f"--model {name}" for name in installed()))


if __name__ == "__main__":
    main()
