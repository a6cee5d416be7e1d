# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A model that OpenVINO has read: its tensors, what is compiled of it, and its calls.

This module and `tensors` are the ones that import OpenVINO.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov

from penstock.backends.framework import Array, Output, TensorSignature
from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError
from penstock.types import DataType

from .options import OpenVinoOptions
from .tensors import to_array, to_output, to_tensor

_DATA_TYPES: Final = {
    "boolean": DataType.BOOL,
    "u8": DataType.UINT8,
    "u16": DataType.UINT16,
    "u32": DataType.UINT32,
    "u64": DataType.UINT64,
    "i8": DataType.INT8,
    "i16": DataType.INT16,
    "i32": DataType.INT32,
    "i64": DataType.INT64,
    "f16": DataType.FP16,
    "f32": DataType.FP32,
    "f64": DataType.FP64,
    "string": DataType.BYTES,
    "bf16": DataType.BF16,
}
#: tensors up to this size are copied: it costs less than an object of OpenVINO's for each call
_COPIED_BYTES: Final = 65536


class Network:
    """What a file says. `compile` makes of it what instances call."""

    def __init__(self, context: ModelContext, path: Path, options: OpenVinoOptions) -> None:
        """Raises ServerError, or what OpenVINO raises."""
        self._core = ov.Core()
        self._options = options
        if options.extension is not None:
            self._core.add_extension(str(options.extension))
        self._model = self._core.read_model(path)
        config = context.config
        self._batch = config.max_batch_size if options.fixed_batch else -1
        self._input_names = _names(self._model.inputs, [each.name for each in config.input])
        self._output_names = _names(self._model.outputs, [each.name for each in config.output])
        if options.changes_shapes:
            self._reshape(context)

    @property
    def inputs(self) -> list[TensorSignature]:
        """What requests must bring."""
        return self._signatures(self._input_names, self._model.inputs)

    @property
    def outputs(self) -> list[TensorSignature]:
        """What it gives."""
        return self._signatures(self._output_names, self._model.outputs)

    def compile(self) -> CompiledNetwork:
        """For the CPU. Raises what OpenVINO raises."""
        compiled = self._core.compile_model(self._model, "CPU", self._options.properties)
        padded = self._batch if self._options.pad_batch else 0
        return CompiledNetwork(compiled, self.inputs, self.outputs, padded)

    def _reshape(self, context: ModelContext) -> None:
        """Sets the configured shapes; without RESHAPE_IO_LAYERS just the batch dimension."""
        config = context.config
        dims_of = {each.name: each.reshape.shape or each.dims for each in config.input}
        shapes = {}
        for index, (name, port) in enumerate(
            zip(self._input_names, self._model.inputs, strict=True)
        ):
            if self._options.reshape:
                own = list(dims_of.get(name, ()))
                shape = ov.PartialShape([self._batch, *own] if config.max_batch_size else own)
            else:
                shape = port.partial_shape
                shape[0] = self._batch
            shapes[index] = shape
        self._model.reshape(shapes)

    def _signatures(self, names: Sequence[str], ports: Sequence[Any]) -> list[TensorSignature]:
        signatures = []
        for name, port in zip(names, ports, strict=True):
            dims = _dims(port.partial_shape)
            if dims and self._options.fixed_batch and dims[0] == self._batch:
                dims = (-1, *dims[1:])  # for who asks: the batch is filled up, or refused
            data_type = _DATA_TYPES.get(port.element_type.get_type_name(), DataType.INVALID)
            signatures.append(TensorSignature(name, data_type, dims))
        return signatures


class CompiledNetwork:
    """Shared by instances, each of which has calls of its own."""

    def __init__(
        self,
        compiled: Any,
        inputs: Sequence[TensorSignature],
        outputs: Sequence[TensorSignature],
        padded: int,
    ) -> None:
        """`padded`: the batch size that smaller batches are filled up to; 0: none."""
        self._compiled = compiled
        self._inputs = inputs
        self._outputs = outputs
        self._padded = padded

    def create_call(self) -> NetworkCall:
        """For one thread."""
        request = self._compiled.create_infer_request()
        return NetworkCall(request, self._inputs, self._outputs, self._padded)


class NetworkCall:
    """One inference at a time."""

    def __init__(
        self,
        request: Any,
        inputs: Sequence[TensorSignature],
        outputs: Sequence[TensorSignature],
        padded: int,
    ) -> None:
        self._request = request
        self._inputs = [(each.name, DataType(each.data_type)) for each in inputs]
        self._outputs = {
            each.name: (index, DataType(each.data_type)) for index, each in enumerate(outputs)
        }
        self._padded = padded
        #: the memory of inputs that are copied, as long as their shape stays
        self._kept: list[Array | None] = [None] * len(inputs)

    def run(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Output]:
        """Only small inputs and outputs are copied."""
        arrays = self._arrays(inputs)
        rows = len(arrays[0]) if self._padded else 0
        if rows < self._padded:
            arrays = [_fill_up(array, self._padded) for array in arrays]
        for index, array in enumerate(arrays):
            self._give(index, array)
        self._request.infer()
        outputs: dict[str, Output] = {}
        for name in wanted:
            index, data_type = self._outputs[name]
            array = self._take(index, data_type, arrays)
            outputs[name] = to_output(array[:rows] if rows else array, data_type)
        return outputs

    def _arrays(self, inputs: Mapping[str, Array]) -> list[Array]:
        try:
            return [inputs[name] for name, _ in self._inputs]
        except KeyError as error:
            raise InvalidArgError(f"input {error} is not optional for OpenVINO") from None

    def _give(self, index: int, array: Array) -> None:
        data_type = self._inputs[index][1]
        kept = self._kept[index]
        if kept is not None and kept.shape == array.shape:
            kept[...] = array
        elif array.nbytes > _COPIED_BYTES or data_type is DataType.BYTES:
            self._kept[index] = None
            self._request.set_input_tensor(index, to_tensor(array, data_type))
        else:
            own = array.copy()
            self._request.set_input_tensor(index, to_tensor(own, data_type))
            self._kept[index] = own

    def _take(self, index: int, data_type: DataType, inputs: Sequence[Array]) -> Array:
        """An output that the next inference does not write into."""
        tensor = self._request.get_output_tensor(index)
        array = to_array(tensor, data_type)
        # An output may be an input's memory, which does not live as long.
        if array.nbytes <= _COPIED_BYTES or any(np.may_share_memory(array, i) for i in inputs):
            return array.copy()
        fresh = ov.Tensor(tensor.element_type, ov.Shape([0] * array.ndim))
        self._request.set_output_tensor(index, fresh)
        return array


def _names(ports: Sequence[Any], configured: Collection[str]) -> list[str]:
    """A tensor may have several names, or none but its node's; a configured one is preferred."""
    names = []
    for port in ports:
        own = sorted(port.names) or [port.node.friendly_name]
        names.append(next((name for name in own if name in configured), own[0]))
    return names


def _dims(shape: Any) -> tuple[int, ...] | None:
    if shape.rank.is_dynamic:
        return None
    return tuple(dim.get_length() if dim.is_static else -1 for dim in shape)


def _fill_up(array: Array, rows: int) -> Array:
    filled = np.zeros((rows, *array.shape[1:]), array.dtype)
    if array.dtype == object:
        filled.fill(b"")
    filled[: len(array)] = array
    return filled
