# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Programs of `torch.export`: `model.pt2`. They know their tensors' types and shapes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.export.graph_signature import ConstantArgument, InputKind
from torch.export.passes import move_to_device_pass
from torch.export.pt2_archive._package import load_pt2
from torch.utils import _pytree as pytree

from penstock.backends.framework import TensorSignature, load_failure, match
from penstock.backends.interface import ModelContext
from penstock.types import DataType

from .data_types import data_type_of
from .files import refuse_pickles
from .program import Value
from .tree import Leaves, input_paths, output_paths


class ExportedProgram:
    """An exported program, called with its arguments in their nested form."""

    def __init__(self, context: ModelContext, path: Path, device: torch.device | None) -> None:
        """Raises InvalidArgError where the configuration and the program differ."""
        program = _load(context, path)
        tensors = ExportedTensors(context, program)
        self.scalars = match(context, tensors.inputs, tensors.outputs)
        self._inputs = tensors.input_places
        self._outputs = tensors.output_places
        self._template = tensors.constants
        self._spec = program.call_spec.in_spec
        if device is not None:
            program = move_to_device_pass(program, device)
        self._module: Any = program.module()

    def __call__(self, inputs: dict[str, Value]) -> Mapping[str, Value]:
        leaves = list(self._template)
        for name, value in inputs.items():
            leaves[self._inputs[name]] = value
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        results = pytree.tree_leaves(self._module(*args, **kwargs))
        return {name: results[place] for name, place in self._outputs.items()}


class ExportedTensors:
    """What a program says of its tensors, under the names of the configuration."""

    def __init__(self, context: ModelContext, program: torch.export.ExportedProgram) -> None:
        """Raises InvalidArgError for a configured name that the program has not."""
        spec = program.call_spec
        values = {node.name: node.meta.get("val") for node in program.graph.nodes}
        arguments = [
            each.arg
            for each in program.graph_signature.input_specs
            if each.kind is InputKind.USER_INPUT
        ]
        #: one a leaf: its value where it is not a tensor
        self.constants = [getattr(argument, "value", None) for argument in arguments]
        results = next(node for node in program.graph.nodes if node.op == "output").args[0]
        returned = [getattr(node, "meta", {}).get("val") for node in results]
        returned = returned[len(returned) - spec.out_spec.num_leaves :]  # behind mutated buffers
        names = [argument.name for argument in arguments]
        taken = Leaves("input", input_paths(spec.in_spec), names)
        given = Leaves("output", output_paths(spec.out_spec), _result_names(spec.out_spec))
        self.input_places = taken.places(context, [each.name for each in context.config.input])
        self.output_places = given.places(context, [each.name for each in context.config.output])
        tensors = [
            None if isinstance(argument, ConstantArgument) else values[argument.name]
            for argument in arguments
        ]
        self.inputs = _signatures(taken.names, tensors, self.input_places)
        self.outputs = _signatures(given.names, returned, self.output_places)


def describe(context: ModelContext, path: Path) -> ExportedTensors:
    """For auto-completion."""
    return ExportedTensors(context, _load(context, path))


def _load(context: ModelContext, path: Path) -> torch.export.ExportedProgram:
    refuse_pickles(context, path)
    programs = load_pt2(str(path)).exported_programs
    if len(programs) != 1:
        names = ", ".join(programs) or "none"
        raise load_failure(
            context,
            f"'{context.shown_path(path)}' must hold one exported program, it has: {names}",
        )
    return next(iter(programs.values()))


def _result_names(spec: pytree.TreeSpec) -> list[str]:
    """The keys of a flat dictionary, else `OUTPUT__<index>`."""
    if spec.type in (dict, OrderedDict) and all(child.is_leaf() for child in spec.children()):
        return [str(key) for key in spec.context]
    return [f"OUTPUT__{index}" for index in range(spec.num_leaves)]


def _signatures(
    own_names: Sequence[str], values: Sequence[Any], places: Mapping[str, int]
) -> list[TensorSignature]:
    """Of the tensors among the values; by configured name where there is one."""
    configured = {place: name for name, place in places.items()}
    return [
        _signature(configured.get(place, name), value)
        for place, (name, value) in enumerate(zip(own_names, values, strict=True))
        if value is not None
    ]


def _signature(name: str, value: Any) -> TensorSignature:
    if not isinstance(value, torch.Tensor):
        return TensorSignature(name, DataType.INVALID, None)
    dims = tuple(dim if isinstance(dim, int) else -1 for dim in value.shape)
    return TensorSignature(name, data_type_of(value.dtype), dims)
