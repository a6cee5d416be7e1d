# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A LiteRT interpreter: the tensors of one of its signatures, and its calls.

This is the one module that imports `ai_edge_litert`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from penstock.backends.framework import Array, TensorSignature
from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError
from penstock.types import NUMPY_DTYPES, DataType

_DEFAULT_SIGNATURE: Final = "serving_default"
_Details = Mapping[str, Mapping[str, Any]]


class LiteRtModel:
    """One interpreter over the bytes of a file, which may be shared. One thread at a time."""

    def __init__(self, context: ModelContext, content: bytes, signature: str, threads: int) -> None:
        """`signature`: empty for the one there is. Raises ServerError, or what LiteRT raises."""
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        # Finds most of what can be wrong with a file; not possible once there is a runner.
        self._interpreter.allocate_tensors()
        name = _choose_signature(context, list(self._interpreter.get_signature_list()), signature)
        self._runner = self._interpreter.get_signature_runner(name) if name else None
        inputs, outputs = self._details()
        self.inputs = [_signature(name, details) for name, details in inputs.items()]
        self.outputs = [_signature(name, details) for name, details in outputs.items()]
        self._input_indices = {name: details["index"] for name, details in inputs.items()}
        self._output_indices = {name: details["index"] for name, details in outputs.items()}
        self._shapes: list[tuple[int, ...]] = []

    def run(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> Mapping[str, Array]:
        """Inputs and outputs are copied: their memory is the interpreter's own."""
        if self._runner is not None:
            outputs: Mapping[str, Array] = self._runner(**inputs)
            return outputs
        self._fit([value.shape for value in inputs.values()], inputs)
        for name, value in inputs.items():
            self._interpreter.set_tensor(self._input_indices[name], value)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(self._output_indices[name]) for name in wanted}

    def _fit(self, shapes: list[tuple[int, ...]], names: Mapping[str, Any]) -> None:
        if shapes != self._shapes:
            self._shapes = []  # until all of it has worked
            for name, shape in zip(names, shapes, strict=True):
                self._interpreter.resize_tensor_input(self._input_indices[name], shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes

    def _details(self) -> tuple[_Details, _Details]:
        if self._runner is not None:
            return self._runner.get_input_details(), self._runner.get_output_details()
        return (
            {details["name"]: details for details in self._interpreter.get_input_details()},
            {details["name"]: details for details in self._interpreter.get_output_details()},
        )


def _choose_signature(context: ModelContext, names: list[str], asked: str) -> str:
    """Its name; empty for a file that has none, whose tensors have names all the same."""
    if asked and asked not in names:
        raise InvalidArgError(
            f"unable to load model '{context.name}', expected '{asked}' signature; its signatures "
            f"are: {', '.join(sorted(names)) or 'none'}"
        )
    if asked or len(names) < 2:
        return asked or "".join(names)
    if _DEFAULT_SIGNATURE not in names:
        raise InvalidArgError(
            f"unable to load model '{context.name}', it has several signatures, of which parameter "
            f"'SIGNATURE' must choose one: {', '.join(sorted(names))}"
        )
    return _DEFAULT_SIGNATURE


def _signature(name: str, details: Mapping[str, Any]) -> TensorSignature:
    return TensorSignature(
        name,
        _DATA_TYPES.get(np.dtype(details["dtype"]), DataType.INVALID),
        tuple(int(dim) for dim in details["shape_signature"]),
    )


#: LiteRT says np.bytes_ for strings, and takes and gives object arrays
_DATA_TYPES: Final = {np.dtype(dtype): data_type for data_type, dtype in NUMPY_DTYPES.items()} | {
    np.dtype(np.bytes_): DataType.BYTES
}
