# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A plain `nn.Module`: its class in `model.py`, its weights beside it (contract 5.3).

`runtime: "model.py"` as with Triton. Weights come from `model.safetensors`, or from a state dict
in `model.pt`; without either they are what the constructor makes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file

from penstock.backends.framework import load_failure, text_parameter
from penstock.backends.interface import ModelContext
from penstock.backends.model_code import ModelModule
from penstock.errors import InvalidArgError

from .files import Kind, kind_of, refuse
from .naming import Argument, Arguments, Results
from .program import Value, refuse_strings

CODE_FILENAME: Final = "model.py"
_WEIGHTS: Final = ("model.safetensors", "model.pt")
_CLASS_PARAMETER: Final = "MODEL_CLASS_NAME"
_COMPILE_PARAMETER: Final = "TORCH_COMPILE_OPTIONAL_PARAMETERS"


class ModuleProgram:
    """One object of the model's class."""

    scalars: frozenset[str] = frozenset()

    def __init__(
        self, context: ModelContext, code: ModelModule, device: torch.device | None
    ) -> None:
        """Raises ServerError; whatever the model's own code raises comes through."""
        module = _model_class(context, code)()
        self._arguments = Arguments(context, _forward_arguments(module))
        self._results = Results(context)
        refuse_strings(context)
        _load_weights(context, module)
        if device is not None:
            module.to(device)
        self._module = _compiled(context, module.eval())

    def __call__(self, inputs: dict[str, Value]) -> Mapping[str, Value]:
        positional, named = self._arguments.lay_out(inputs)
        return self._results.named(self._module(*positional, **named))


def import_code(context: ModelContext) -> ModelModule:
    """Runs the model's `model.py`; the caller closes it. Raises what the file raises."""
    path = context.version_dir / CODE_FILENAME
    if not path.is_file():
        raise load_failure(context, f"unable to find '{context.shown_path(path)}'")
    return ModelModule(path, context.name, context.version)


def _model_class(context: ModelContext, code: ModelModule) -> type[torch.nn.Module]:
    """The one class of the file, or the one that the configuration names."""
    classes = {
        name: each
        for name, each in vars(code.module).items()
        if isinstance(each, type)
        and issubclass(each, torch.nn.Module)
        and each.__module__ == code.module.__name__
    }
    wanted = text_parameter(context, _CLASS_PARAMETER)
    if wanted in classes:
        return classes[wanted]
    if len(classes) == 1 and not wanted:
        return next(iter(classes.values()))
    found = ", ".join(classes) or "none"
    raise InvalidArgError(
        f"'{CODE_FILENAME}' of model '{context.name}' must define one subclass of torch.nn.Module, "
        f"or parameter '{_CLASS_PARAMETER}' must name it; found: {found}"
    )


def _forward_arguments(module: torch.nn.Module) -> list[Argument]:
    parameters = inspect.signature(module.forward).parameters.values()
    return [
        Argument(
            each.name,
            required=each.default is each.empty,
            is_dict="dict[" in str(each.annotation).lower(),
        )
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]


def _load_weights(context: ModelContext, module: torch.nn.Module) -> None:
    for filename in _WEIGHTS:
        path = context.version_dir / filename
        if path.is_file():
            module.load_state_dict(_read_weights(context, path))
            return


def _read_weights(context: ModelContext, path: Path) -> dict[str, torch.Tensor]:
    """Never runs a pickle: weights_only reads tensors and containers, and refuses the rest."""
    kind = kind_of(path)
    if kind is Kind.SAFETENSORS:
        return dict(load_file(path))
    if kind is not Kind.PICKLE:
        raise refuse(context, path, kind, "safetensors or a state dict")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise load_failure(
            context,
            f"'{context.shown_path(path)}' is not only weights, and other pickles are never "
            f"loaded: save them by safetensors.torch.save_file(model.state_dict(), "
            f"'model.safetensors'), or by torch.save(model.state_dict(), 'model.pt')",
        ) from error
    if not isinstance(weights, Mapping):
        raise load_failure(
            context,
            f"'{context.shown_path(path)}' holds a {type(weights).__name__}, expected the state "
            f"dict of the model",
        )
    return dict(weights)


def _compiled(context: ModelContext, module: torch.nn.Module) -> Any:
    """By torch.compile where the configuration asks for it, by JSON of its arguments."""
    text = text_parameter(context, _COMPILE_PARAMETER)
    if not text:
        return module
    try:
        arguments = json.loads(text)
        if not isinstance(arguments, dict):
            raise ValueError("not an object")
        return torch.compile(module, **arguments)
    except (ValueError, TypeError) as error:
        raise InvalidArgError(
            f"parameter '{_COMPILE_PARAMETER}' of model '{context.name}' must be a JSON object of "
            f"arguments of torch.compile, got '{text}': {error}"
        ) from None
