# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One linear layer of 16 to 10, as a program of jax.export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.frameworks.resnet import Floats

PACKAGE = "jax"
CONFIG = """
backend: "jax"
max_batch_size: 1
input [ { name: "INPUT0", data_type: TYPE_FP32, dims: [ 16 ] } ]
output [ { name: "OUTPUT0", data_type: TYPE_FP32, dims: [ 10 ] } ]
"""
FILENAME = "model.jaxexport"


def write(path: Path) -> None:
    """Writes the model's file."""
    import jax
    import numpy as np
    from jax import export

    weights = np.random.default_rng(1).random((16, 10), np.float32)
    argument = jax.ShapeDtypeStruct(export.symbolic_shape("n, 16"), np.float32)
    layer = jax.jit(lambda INPUT0: {"OUTPUT0": INPUT0 @ weights})
    path.write_bytes(export.export(layer, platforms=["cpu"])(INPUT0=argument).serialize())


def bare_call(path: Path, argument: Floats) -> Callable[[], object]:
    """One call of the compiled program."""
    import jax
    import numpy as np
    from jax import export

    call = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)
    return lambda: np.asarray(call(INPUT0=argument)["OUTPUT0"])
