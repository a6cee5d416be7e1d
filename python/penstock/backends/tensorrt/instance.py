# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One instance of a TensorRT engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock._engine import Tensor, tensor_from_cuda_array, tensor_from_numpy
from penstock.backends.framework import Array, FrameworkInstance, Output
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import InternalError, InvalidArgError
from penstock.types import NUMPY_DTYPES, DataType

from .device import Device, DeviceArray
from .engine import Engine
from .profiles import asked_profiles, choose

if TYPE_CHECKING:
    from penstock._engine import ModelPlan


class TensorRtInstance(FrameworkInstance):
    """A context for each profile that it may use; buffers and a stream of its own."""

    framework = "TensorRT"

    def __init__(
        self,
        context: ModelContext,
        plan: ModelPlan,
        spec: InstanceSpec,
        engine: Engine,
        device: Device,
        log: Any,
        *,
        scalars: frozenset[str],
    ) -> None:
        """On the thread that will use it. Raises ServerError."""
        super().__init__(context, plan, scalars=scalars)
        self._title = spec.name
        self._engine = engine
        self._device = device
        self._log = log
        self._profiles = asked_profiles(
            engine.profiles, spec.profiles, f"instance '{spec.name}' of model '{context.name}'"
        )
        self._contexts = {profile.index: self._make(profile.index) for profile in self._profiles}

    def finalize(self) -> None:
        """Contexts go before the memory that they know."""
        self._contexts.clear()
        self._device.close()

    def present(self, tensor: Tensor) -> Any:
        """A DeviceArray where the core has brought it to the GPU; else an array."""
        if tensor.device < 0:
            return super().present(tensor)
        interface = tensor.__cuda_array_interface__
        return DeviceArray(interface["data"][0], tensor.shape, interface["typestr"], tensor)

    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        for signature in self._engine.inputs:
            if signature.name not in inputs:
                raise InvalidArgError(
                    f"input '{signature.name}' of model '{self._context.name}' is missing, the "
                    f"engine needs all its inputs"
                )
        shapes = {name: array.shape for name, array in inputs.items()}
        context = self._contexts[choose(self._profiles, shapes, self._title).index]
        if self.stream:
            return self._run_on_device(context, inputs, wanted)
        try:
            for name, array in inputs.items():
                self._must(context.set_input_shape(name, array.shape), f"shape of input '{name}'")
                self._set_address(context, name, self._device.copy_in(name, array))
            outputs = self._place_outputs(context)
            self._must(context.execute_async_v3(int(self._device.stream)), "execution")
            for name in wanted:
                self._device.copy_out(*outputs[name])
        finally:  # nobody may read or write this batch's memory after it has gone
            self._device.synchronize()
        return {name: _to_core(outputs[name][1], self._outputs[name]) for name in wanted}

    def _run_on_device(
        self, context: Any, inputs: dict[str, Any], wanted: Sequence[str]
    ) -> Mapping[str, Output]:
        """Inputs are on the GPU, and outputs stay there; the core waits for its stream."""
        for name, array in inputs.items():
            self._must(context.set_input_shape(name, array.shape), f"shape of input '{name}'")
            self._set_address(context, name, array.address)
        outputs = self._place_outputs(context)
        self._must(context.execute_async_v3(self.stream), "execution")
        return {name: self._lend(name, *outputs[name]) for name in wanted}

    def _lend(self, name: str, address: int, like: Array) -> Tensor:
        """The output's buffer, which is written again by the next batch, when this one is gone."""
        array = DeviceArray(address, like.shape, like.dtype.str, self._device)
        return tensor_from_cuda_array(array, self._device.index, self._outputs[name])

    def _place_outputs(self, context: Any) -> dict[str, tuple[int, Array]]:
        """A place on the device and an array for every output of the engine."""
        places = {}
        for name, data_type, _ in self._engine.outputs:
            shape = tuple(context.get_tensor_shape(name))
            if any(dim < 0 for dim in shape):
                raise InternalError(
                    f"the shape of output '{name}' of model '{self._context.name}' depends on the "
                    f"inputs' values, which is not supported"
                )
            array = _host_array(DataType(data_type), shape)
            address = self._device.buffer(name, array.nbytes)
            self._set_address(context, name, address)
            places[name] = (address, array)
        return places

    def _make(self, profile: int) -> Any:
        context = self._engine.handle.create_execution_context()
        if context is None:
            raise InternalError(
                f"unable to create a TensorRT context for instance '{self._title}': "
                f"{self._log.take_words()}"
            )
        selected = context.set_optimization_profile_async(profile, int(self._device.stream))
        self._must(selected, f"optimization profile {profile}")
        self._device.synchronize()
        return context

    def _set_address(self, context: Any, name: str, address: int) -> None:
        self._must(context.set_tensor_address(name, address), f"address of tensor '{name}'")

    def _must(self, done: bool, what: str) -> None:
        """TensorRT returns False and logs why."""
        if not done:
            raise InternalError(
                f"TensorRT refuses the {what} of instance '{self._title}': {self._log.take_words()}"
            )


def _host_array(data_type: DataType, shape: tuple[int, ...]) -> Array:
    """Where an output goes. One that the protocol cannot carry is never read, but written."""
    if data_type in (DataType.INVALID, DataType.BF16):
        return np.empty(shape, np.uint16)  # the types that the protocol has not are smaller
    return np.empty(shape, NUMPY_DTYPES[data_type])


def _to_core(array: Array, data_type: DataType) -> Output:
    return tensor_from_numpy(array, DataType.BF16) if data_type is DataType.BF16 else array
