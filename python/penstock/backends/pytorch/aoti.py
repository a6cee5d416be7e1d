# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""AOTInductor packages: `model.pt2` with compiled code (contract 5.3).

The package holds a library, which is loaded into the server: as with `model.py`, who writes the
file says what the server runs. It says nothing of types and shapes: tensors must be configured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Final

import torch
from torch.utils import _pytree as pytree

from penstock.backends.framework import load_failure
from penstock.backends.interface import ModelContext

from .program import Value, device_words, refuse_strings
from .tree import Leaves, input_paths, output_paths

#: Without it the compiled code reads past the end of a tensor that is smaller than it was made for.
_CHECK_INPUTS: Final = "AOTI_RUNTIME_CHECK_INPUTS"


class AotiProgram:
    """A compiled model. It may be called by several threads: it has its own lock."""

    scalars: frozenset[str] = frozenset()

    def __init__(self, context: ModelContext, path: Path, device: torch.device | None) -> None:
        """Raises InvalidArgError for names that the package has not, for the wrong device."""
        os.environ[_CHECK_INPUTS] = "1"
        index = device.index if device is not None and device.index is not None else -1
        package = torch._inductor.aoti_load_package(str(path), device_index=index)
        _check_device(context, package.get_metadata().get("AOTI_DEVICE_KEY", "cpu"), device)
        self._loader = package.loader
        in_spec, out_spec = map(pytree.treespec_loads, self._loader.get_call_spec())
        config = context.config
        inputs = Leaves("input", input_paths(in_spec), ())
        outputs = Leaves("output", output_paths(out_spec), ())
        self._inputs = inputs.places(context, [tensor.name for tensor in config.input])
        self._outputs = outputs.places(context, [tensor.name for tensor in config.output])
        if len(self._inputs) != len(inputs):
            raise load_failure(
                context,
                f"configuration expects {len(self._inputs)} inputs, model provides {len(inputs)}: "
                f"{', '.join(inputs.names)}",
            )
        refuse_strings(context)

    def __call__(self, inputs: dict[str, Value]) -> Mapping[str, Value]:
        flat = sorted(
            ((self._inputs[name], value) for name, value in inputs.items()), key=itemgetter(0)
        )
        results = self._loader.run([value.contiguous() for place, value in flat])
        return {name: results[place] for name, place in self._outputs.items()}


def _check_device(context: ModelContext, made_for: str, device: torch.device | None) -> None:
    if device is not None and device.type != made_for:
        raise load_failure(
            context,
            f"the package was compiled for '{made_for}', the instance is on '{device.type}'; "
            f"{device_words()}",
        )
