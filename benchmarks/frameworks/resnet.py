# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ResNet-18 for images of 64 x 64, with the same random weights in every framework.

INPUT0 [n, 3, 64, 64] -> OUTPUT0 [n, 1000], logits. Batch normalisation is folded into the
convolutions, as it is for serving. What the network is, `resnet` says; how a framework computes it,
its `Operations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SIDE: Final = 64
CLASSES: Final = 1000
_WIDTHS: Final = (64, 128, 256, 512)
_BLOCKS: Final = 2


@dataclass(frozen=True)
class Layer:
    """A convolution, [out, in, height, width], or a dense layer, [in, out]."""

    weight: Floats
    bias: Floats


class Operations(Protocol):
    """What a framework must be able to do; tensors are its own."""

    def convolve(self, x: Any, layer: Layer, stride: int) -> Any:
        """Padded so that a stride of 1 keeps the size."""

    def relu(self, x: Any) -> Any: ...

    def pool(self, x: Any) -> Any:
        """The largest of 3 x 3, every other, padded by one."""

    def mean(self, x: Any) -> Any:
        """Of each channel."""

    def add(self, x: Any, y: Any) -> Any: ...

    def dense(self, x: Any, layer: Layer) -> Any: ...


def resnet(ops: Operations, x: Any) -> Any:
    """The network."""
    layers = _layers()
    x = ops.pool(ops.relu(ops.convolve(x, next(layers), 2)))
    for stage in range(len(_WIDTHS)):
        for block in range(_BLOCKS):
            stride = 2 if stage and not block else 1
            y = ops.relu(ops.convolve(x, next(layers), stride))
            y = ops.convolve(y, next(layers), 1)
            if stride == 2:
                x = ops.convolve(x, next(layers), 2)
            x = ops.relu(ops.add(x, y))
    return ops.dense(ops.mean(x), next(layers))


def _layers() -> Iterator[Layer]:
    """In the order of their use."""
    random = np.random.default_rng(18)

    def layer(*shape: int, gain: float = 2.0) -> Layer:
        inputs = shape[0] if len(shape) == 2 else shape[1] * shape[2] * shape[3]
        outputs = shape[1] if len(shape) == 2 else shape[0]
        weight = random.standard_normal(shape, np.float32) * np.float32((gain / inputs) ** 0.5)
        return Layer(weight, random.standard_normal(outputs, np.float32) * np.float32(0.1))

    yield layer(_WIDTHS[0], 3, 7, 7)
    before = _WIDTHS[0]
    for width in _WIDTHS:
        for block in range(_BLOCKS):
            yield layer(width, width if block else before, 3, 3)
            yield layer(width, width, 3, 3, gain=0.5)
            if not block and width != before:
                yield layer(width, before, 1, 1, gain=1.0)
        before = width
    yield layer(_WIDTHS[-1], CLASSES, gain=1.0)
