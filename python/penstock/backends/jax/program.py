# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""An exported JAX program: its tensors by name, and its calls.

This is the one module that imports JAX. Reading a program runs nothing of it and no pickle: the
file is a flat buffer around StableHLO.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import numpy as np
from jax import export

from penstock.backends.framework import Array, TensorSignature
from penstock.errors import InvalidArgError, UnsupportedError
from penstock.garbage import collect_all
from penstock.types import NUMPY_DTYPES, DataType

#: XLA compiles for each set of shapes; clients choose shapes, so that there must be an end
_MAX_COMPILED: Final = 64
_PLATFORM: Final = "cpu"
_BFLOAT16: Final = np.dtype(jax.numpy.bfloat16)
_DATA_TYPES: Final = {
    np.dtype(dtype): data_type
    for data_type, dtype in NUMPY_DTYPES.items()
    if data_type is not DataType.BYTES
} | {_BFLOAT16: DataType.BF16}

_Shapes = tuple[tuple[int, ...], ...]


class JaxProgram:
    """One program and what is compiled of it. Thread safe: instances call it side by side."""

    def __init__(self, content: bytes) -> None:
        """Raises ServerError for what cannot be served, else what JAX raises."""
        self._exported = exported = export.deserialize(bytearray(content))
        if _PLATFORM not in exported.platforms:
            raise UnsupportedError(
                f"the program was exported for {', '.join(exported.platforms)}; export it with "
                f"platforms=['{_PLATFORM}'], JAX runs on the CPU here"
            )
        exported.mlir_module()  # raises for StableHLO that is none
        self.inputs = _signatures(exported.in_tree, exported.in_avals, "INPUT")
        self.outputs = _signatures(exported.out_tree, exported.out_avals, "OUTPUT")
        #: JAX narrows types of 64 bits unless it is told not to
        self._wide = any(
            aval.dtype.itemsize >= 8 for aval in (*exported.in_avals, *exported.out_avals)
        )
        self._lock = threading.Lock()
        self._compiled: dict[_Shapes, Any] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Compiles for shapes that are new. Outputs are views of JAX's memory."""
        try:
            values = [inputs[signature.name] for signature in self.inputs]
        except KeyError as error:
            raise InvalidArgError(f"input {error} is not optional for a JAX program") from None
        with self._types():
            call = self._call_for(tuple(value.shape for value in values))
            leaves = call(*values)
        return {
            signature.name: np.asarray(leaf)
            for signature, leaf in zip(self.outputs, leaves, strict=True)
        }

    def as_bfloat16(self, bits: Array) -> Array:
        """An array of 16 bit integers as what it means."""
        return bits.view(_BFLOAT16)

    def compile_smallest(self) -> None:
        """For the smallest shapes, so that the first request need not wait for it."""
        shapes = tuple(tuple(max(1, dim) for dim in each.dims or ()) for each in self.inputs)
        with self._types():
            self._call_for(shapes)

    @staticmethod
    def forget() -> None:
        """Makes JAX give up what it keeps of programs that were closed, and of their last arrays.

        Its tracing caches would hold them. What is compiled of other programs is theirs and stays.
        """
        jax.clear_caches()
        collect_all()

    def _types(self) -> contextlib.AbstractContextManager[Any]:
        return jax.enable_x64(True) if self._wide else contextlib.nullcontext()

    def _call_for(self, shapes: _Shapes) -> Any:
        call = self._compiled.get(shapes)
        if call is None:
            call = self._compile(shapes)
            with self._lock:
                while len(self._compiled) >= _MAX_COMPILED:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[shapes] = call
        return call

    def _compile(self, shapes: _Shapes) -> Any:
        exported = self._exported

        def flat(*leaves: Any) -> list[Any]:
            args, kwargs = exported.in_tree.unflatten(leaves)
            outputs: list[Any] = jax.tree_util.tree_leaves(exported.call(*args, **kwargs))
            return outputs

        specs = [
            jax.ShapeDtypeStruct(shape, aval.dtype)
            for shape, aval in zip(shapes, exported.in_avals, strict=True)
        ]
        return jax.jit(flat).lower(*specs).compile()


def _signatures(tree: Any, avals: Sequence[Any], kind: str) -> list[TensorSignature]:
    names = _leaf_names(tree, kind)
    if len(set(names)) < len(names):
        raise InvalidArgError(f"two {kind.lower()}s of the program have one name: {names}")
    return [
        TensorSignature(
            name,
            _DATA_TYPES.get(np.dtype(aval.dtype), DataType.INVALID),
            tuple(dim if isinstance(dim, int) else -1 for dim in aval.shape),
        )
        for name, aval in zip(names, avals, strict=True)
    ]


def _leaf_names(tree: Any, kind: str) -> list[str]:
    """A keyword or a key of a dictionary is a name; what has only a position is INPUT__<i>.

    Nested ones are joined by dots. Inputs are the tree ((positional, ...), {keyword: ...}).
    """
    paths, _ = jax.tree_util.tree_flatten_with_path(tree.unflatten(range(tree.num_leaves)))
    names = []
    for path, _ in paths:
        keys = [_key_name(key) for key in (path[1:] if kind == "INPUT" else path)]
        if kind == "INPUT" and path[0].idx == 0 and len(keys) > 1 and not keys[1].isdigit():
            keys = keys[1:]  # a dictionary as a positional argument: its keys say enough
        name = ".".join(keys) or "0"
        names.append(f"{kind}__{name}" if name[0].isdigit() else name)
    return names


def _key_name(key: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
