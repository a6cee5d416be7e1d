# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How each framework computes ResNet-18: the `Operations` of resnet.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.frameworks.resnet import Floats, Layer


class OnnxOperations:
    """Adds nodes to a graph; tensors are their names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, values: Floats) -> str:
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(values, f"w{len(self.weights)}"))
        return f"w{len(self.weights) - 1}"

    def convolve(self, x: str, layer: Layer, stride: int) -> str:
        pads = [layer.weight.shape[2] // 2] * 4
        inputs = (x, self.weight(layer.weight), self.weight(layer.bias))
        return self.node("Conv", *inputs, strides=[stride] * 2, pads=pads)

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def pool(self, x: str) -> str:
        return self.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)

    def mean(self, x: str) -> str:
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def add(self, x: str, y: str) -> str:
        return self.node("Add", x, y)

    def dense(self, x: str, layer: Layer) -> str:
        return self.node("Gemm", x, self.weight(layer.weight), self.weight(layer.bias))


class TorchOperations:
    """Calls torch.nn.functional; weights become constants of a traced program."""

    def convolve(self, x: Any, layer: Layer, stride: int) -> Any:
        import torch

        weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
        pad = layer.weight.shape[2] // 2
        return torch.nn.functional.conv2d(x, weight, bias, stride=stride, padding=pad)

    def relu(self, x: Any) -> Any:
        return x.relu()

    def pool(self, x: Any) -> Any:
        import torch

        return torch.nn.functional.max_pool2d(x, 3, stride=2, padding=1)

    def mean(self, x: Any) -> Any:
        return x.mean(dim=[2, 3])

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def dense(self, x: Any, layer: Layer) -> Any:
        import torch

        return x @ torch.from_numpy(layer.weight) + torch.from_numpy(layer.bias)


class TensorFlowOperations:
    """Channels come last, which is what TensorFlow computes on CPUs."""

    def convolve(self, x: Any, layer: Layer, stride: int) -> Any:
        import tensorflow as tf

        pad = layer.weight.shape[2] // 2
        if pad:
            x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        return tf.nn.conv2d(x, layer.weight.transpose(2, 3, 1, 0), stride, "VALID") + layer.bias

    def relu(self, x: Any) -> Any:
        import tensorflow as tf

        return tf.nn.relu(x)

    def pool(self, x: Any) -> Any:
        import tensorflow as tf

        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])  # with 0: nothing is below after ReLU
        return tf.nn.max_pool2d(x, 3, 2, "VALID")

    def mean(self, x: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_mean(x, axis=[1, 2])

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def dense(self, x: Any, layer: Layer) -> Any:
        import tensorflow as tf

        return tf.matmul(x, layer.weight) + layer.bias


class JaxOperations:
    """Calls lax."""

    def convolve(self, x: Any, layer: Layer, stride: int) -> Any:
        from jax import lax

        pads = [(layer.weight.shape[2] // 2,) * 2] * 2
        y = lax.conv_general_dilated(x, layer.weight, (stride, stride), pads)
        return y + layer.bias[:, None, None]

    def relu(self, x: Any) -> Any:
        import jax

        return jax.nn.relu(x)

    def pool(self, x: Any) -> Any:
        from jax import lax

        pads = [(0, 0), (0, 0), (1, 1), (1, 1)]
        return lax.reduce_window(x, -np.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), pads)

    def mean(self, x: Any) -> Any:
        return x.mean(axis=(2, 3))

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def dense(self, x: Any, layer: Layer) -> Any:
        return x @ layer.weight + layer.bias
