# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""TorchScript: `model.pt` (contract 5.3).

The file says how its `forward` is called, but no types of elements and no shapes: inputs and
outputs must be configured.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from penstock.backends.framework import load_failure
from penstock.backends.interface import ModelContext

from .naming import Argument, Arguments, Results
from .program import Value, refuse_strings


class TorchScriptProgram:
    """A script module with its `forward`."""

    scalars: frozenset[str] = frozenset()

    def __init__(self, context: ModelContext, path: Path, device: torch.device | None) -> None:
        """`device`: None where the model says itself (KIND_MODEL). Raises ServerError."""
        self._module = _load(path, device)
        arguments = forward_arguments(self._module)
        if arguments is None:
            raise load_failure(context, f"'{context.shown_path(path)}' has no method 'forward'")
        self._arguments = Arguments(context, arguments)
        self._results = Results(context)
        # As C++ calls it; calling the module itself asks for Python's hooks, which costs 1 us.
        self._forward = self._module.forward
        names = [tensor.name for tensor in context.config.input]
        refuse_strings(
            context, {name for name in names if self._arguments.argument_of(name).is_strings}
        )

    def __call__(self, inputs: dict[str, Value]) -> Mapping[str, Value]:
        positional, named = self._arguments.lay_out(inputs)
        return self._results.named(self._forward(*positional, **named))


def describe(path: Path) -> str:
    """What `forward` takes, for who must write it into the configuration."""
    arguments = forward_arguments(_load(path, torch.device("cpu"))) or ()
    return ", ".join(argument.name for argument in arguments) or "nothing"


def forward_arguments(module: Any) -> list[Argument] | None:
    """None when there is no `forward`."""
    forward = getattr(module, "forward", None)
    schema = getattr(forward, "schema", None)
    if schema is None:
        return None
    return [
        Argument(
            argument.name,
            required=not argument.has_default_value(),
            is_dict=argument.type.kind() == "DictType",
            is_strings=str(argument.type) in ("List[str]", "Dict[str, List[str]]"),
        )
        for argument in schema.arguments[1:]
    ]


def _load(path: Path, device: torch.device | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript itself
        return torch.jit.load(str(path), map_location=device).eval()
