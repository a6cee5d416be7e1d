# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One linear layer of 16 to 10, as TorchScript."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks.frameworks.resnet import Floats

PACKAGE = "torch"
CONFIG = """
backend: "pytorch"
max_batch_size: 1
input [ { name: "INPUT0", data_type: TYPE_FP32, dims: [ 16 ] } ]
output [ { name: "OUTPUT0", data_type: TYPE_FP32, dims: [ 10 ] } ]
"""
FILENAME = "model.pt"


def write(path: Path) -> None:
    """Writes the model's file."""
    import torch

    warnings.simplefilter("ignore", DeprecationWarning)
    layer = torch.nn.Linear(16, 10)
    # Exact in any order of the sums, so that every answer is the same, bit by bit.
    layer.load_state_dict(
        {"weight": torch.arange(160.0).reshape(10, 16) % 7, "bias": torch.arange(10.0)}
    )
    torch.jit.script(layer).save(str(path))


def bare_call(path: Path, argument: Floats) -> Callable[[], object]:
    """One call of the model, as a program without a server would make it."""
    import torch

    torch.set_num_threads(1)
    module = torch.jit.load(str(path)).eval()
    tensor = torch.from_numpy(argument)
    torch._C._set_grad_enabled(False)
    return lambda: module(tensor)
