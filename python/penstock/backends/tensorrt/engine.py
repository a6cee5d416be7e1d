# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""An engine as it comes out of its file: its tensors, and the shapes it was built for."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from penstock.backends.framework import TensorSignature
from penstock.errors import InternalError, UnsupportedError

from .library import data_type_of
from .profiles import Profile, Range


class Engine:
    """One deserialised engine on one GPU; instances on that GPU share it."""

    def __init__(self, bindings: ModuleType, runtime: Any, log: Any, plan: bytes) -> None:
        """On a thread whose device is set.

        Raises InternalError, in TensorRT's words, for a file that it cannot read, UnsupportedError
        for tensors that are not supported.
        """
        log.take_words()
        self.handle = runtime.deserialize_cuda_engine(plan)
        if self.handle is None:
            raise InternalError(f"unable to create TensorRT engine: {log.take_words()}")
        self._runtime = runtime  # it must outlive the engine
        names = [self.handle.get_tensor_name(at) for at in range(self.handle.num_io_tensors)]
        modes = {name: self.handle.get_tensor_mode(name) for name in names}
        for name in names:
            self._refuse_unsupported(bindings, name)
        self.inputs = self._signatures(n for n in names if modes[n] == bindings.TensorIOMode.INPUT)
        self.outputs = self._signatures(
            n for n in names if modes[n] == bindings.TensorIOMode.OUTPUT
        )
        self.profiles = [self._profile(at) for at in range(self.handle.num_optimization_profiles)]

    def _refuse_unsupported(self, bindings: ModuleType, name: str) -> None:
        on_host = self.handle.get_tensor_location(name) == bindings.TensorLocation.HOST
        if on_host or self.handle.is_shape_inference_io(name):
            raise UnsupportedError(f"tensor '{name}' is a shape tensor, which is not supported")
        if self.handle.get_tensor_format(name) != bindings.TensorFormat.LINEAR:
            raise UnsupportedError(
                f"tensor '{name}' has the format {self.handle.get_tensor_format(name).name}, only "
                f"LINEAR is supported"
            )

    def _signatures(self, names: Any) -> list[TensorSignature]:
        return [
            TensorSignature(
                name,
                data_type_of(self.handle.get_tensor_dtype(name)),
                tuple(self.handle.get_tensor_shape(name)),
            )
            for name in names
        ]

    def _profile(self, index: int) -> Profile:
        ranges = {}
        for signature in self.inputs:
            shapes = self.handle.get_tensor_profile_shape(signature.name, index)
            ranges[signature.name] = Range(*(tuple(shape) for shape in shapes))
        return Profile(index, ranges)
