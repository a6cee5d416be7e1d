# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance of a PyTorch model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.dlpack import to_dlpack

from penstock._engine import Tensor, tensor_from_dlpack, tensor_from_numpy
from penstock.backends.framework import Array, FrameworkInstance, Output
from penstock.backends.interface import ModelContext
from penstock.errors import InternalError, ServerError
from penstock.types import DataType

from .program import Program, Value
from .settings import Settings

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

_from_dlpack = torch._C._from_dlpack
_BYTES = int(DataType.BYTES)  # an enumeration's member costs 0.1 us to look up and compare


class PytorchInstance(FrameworkInstance):
    """Calls a program; tensors go in and out by their memory, but for another device's."""

    framework = "PyTorch"

    def __init__(
        self,
        context: ModelContext,
        plan: ModelPlan,
        program: Program,
        device: torch.device | None,
        settings: Settings,
    ) -> None:
        """To be made on the thread that will use it: threads and optimisation are set for that."""
        super().__init__(context, plan, scalars=program.scalars)
        self._program = program
        self._device = device if device is not None and device.type != "cpu" else None
        self._clean_cache = settings.cache_cleaning and self._device is not None
        self._string_dims = {
            spec.name: spec.dims for spec in plan.outputs if spec.data_type == DataType.BYTES
        }
        # A scalar is what the core can only take where the configuration reshapes to one.
        self._may_be_scalar = {
            tensor.name
            for tensor in context.config.output
            if tensor.HasField("reshape") and not tensor.reshape.shape
        } | program.scalars
        torch.set_num_threads(settings.threads)
        torch._C._set_graph_executor_optimize(settings.optimized_execution)
        # For as long as the thread runs: entering it anew for each batch costs 1.5 us.
        self._mode = torch.inference_mode() if settings.inference_mode else torch.no_grad()
        self._mode.__enter__()

    def finalize(self) -> None:
        """On the thread of the constructor."""
        self._mode.__exit__(None, None, None)

    def present(self, tensor: Tensor) -> Value:
        """A tensor that shares the core's memory; strings: a list of `bytes`."""
        if tensor.data_type == _BYTES:
            return tensor.numpy().ravel().tolist()
        value = _from_dlpack(tensor.__dlpack__())
        return value if self._device is None else value.to(self._device, non_blocking=True)

    def run(self, inputs: dict[str, Value], wanted: Sequence[str]) -> Mapping[str, Output]:
        try:
            results = self._program(inputs)
            outputs = {name: self._value(name, results) for name in wanted}
        except BaseException:
            if self._device is not None:  # what was begun still reads the batch's memory
                torch.cuda.synchronize(self._device)
            raise
        if self._clean_cache:
            torch.cuda.empty_cache()
        return outputs

    def _value(self, name: str, results: Mapping[str, Value]) -> Output:
        if name not in results:
            raise self.missing(name, results)
        value = results[name]
        if isinstance(value, torch.Tensor):
            if value.ndim == 0 and name not in self._may_be_scalar:
                raise InternalError(f"output '{name}' is a scalar which is not supported.")
            if self.stream and value.device == self._device:
                return self._on_device(name, value)
            return _to_core(value.reshape(1) if name in self._scalars else value)
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return self._strings(name, value)
        raise InternalError(
            f"output '{name}' of model '{self._context.name}' is a {type(value).__name__}, "
            f"expected a tensor or List[str]"
        )

    def _on_device(self, name: str, value: torch.Tensor) -> Output:
        """As it lies there; the core reads it when what PyTorch has begun is done."""
        value = value.detach().contiguous()
        if name in self._scalars:
            value = value.reshape(1)
        return tensor_from_dlpack(value, stream=self.stream, on_device=True)

    def _strings(self, name: str, value: list[str]) -> Array:
        """One dimension, as the configuration has it, and that of the batch."""
        array = np.array(value, dtype=object)
        if self._context.config.max_batch_size == 0:
            return array
        return array.reshape(-1, max(1, *self._string_dims.get(name, (1,))))


def _to_core(value: torch.Tensor) -> Output:
    """Lends its memory; what cannot be lent as it is (strided, negated, of a GPU) is copied."""
    if value.is_cpu and not value.is_neg():
        try:
            return tensor_from_dlpack(to_dlpack(value))
        except (RuntimeError, BufferError, ServerError):
            pass  # says below what it is, if it is wrong
    if value.dtype is torch.bfloat16:  # numpy has none
        return tensor_from_numpy(value.view(torch.int16).numpy(force=True), DataType.BF16)
    array: Array = value.numpy(force=True)
    return array
