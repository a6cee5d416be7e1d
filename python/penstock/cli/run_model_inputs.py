# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The requests that `penstock run-model` sends: from files, or made from the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.comparison.errors import ComparisonError
from penstock.comparison.generated import Recipe, generate, parse_rules, parse_shapes
from penstock.comparison.models import TensorSpec, tensor_specs
from penstock.comparison.recorded import Request, read_recorded
from penstock.comparison.tensors import Tensor, cast, tensor_of

#: What an open dimension is, where nobody says.
_OPEN_DIM: Final = 4


def sample_requests(
    options: argparse.Namespace, config: ModelConfig, metadata: Mapping[str, Any]
) -> Iterator[Request]:
    """What the options say. Raises ComparisonError."""
    optional = {tensor.name for tensor in config.input if tensor.optional}
    specs = tensor_specs(metadata["inputs"], optional)
    if options.request:
        for _, request in read_recorded(options.request):
            yield {name: _fitting(tensor, specs) for name, tensor in request.items()}
        return
    given = {name: _fitting(_read(name, path), specs) for name, path in options.input}
    batched = config.max_batch_size > 0
    shapes = _shapes(specs, parse_shapes(options.shape), batched=batched)
    recipe = Recipe(1, options.batch_size, options.seed, parse_rules(options.generate), shapes)
    missing = [spec for spec in specs if spec.name not in given]
    for request in generate(missing, recipe, batched=batched):
        yield given | request


def _fitting(tensor: Tensor, specs: Sequence[TensorSpec]) -> Tensor:
    """In the model's data type where the values allow it; the rest the server refuses itself."""
    spec = next((spec for spec in specs if spec.name == tensor.name), None)
    return tensor if spec is None else cast(tensor, spec.name, spec.datatype)


def _read(name: str, path: Path) -> Tensor:
    try:
        return tensor_of(name, np.load(path, allow_pickle=False))
    except OSError as error:
        raise ComparisonError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, AttributeError):  # also an archive of arrays
        raise ComparisonError(
            f"{path} is not an .npy file of plain values; strings are saved with dtype S or U"
        ) from None


def _shapes(
    specs: Sequence[TensorSpec], given: Mapping[str, list[tuple[int, ...]]], *, batched: bool
) -> dict[str, list[tuple[int, ...]]]:
    shapes = dict(given)
    for spec in specs:
        own = spec.shape[1:] if batched else spec.shape
        if -1 in own and spec.name not in given and not spec.optional:
            shapes[spec.name] = [tuple(_OPEN_DIM if dim == -1 else dim for dim in own)]
    return shapes
