# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tensors in a GPU's memory as Python back ends see them, on a CUDA runtime of the tests.

The processor cannot touch that memory: a copy that goes through the host's would end the test.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_calls import Bench
from penstock._engine import (
    Batch,
    Engine,
    Tensor,
    device_pools,
    engine_has_devices,
    gpu_memory,
    tensor_from_cuda_array,
    tensor_from_dlpack,
)
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.framework import FrameworkInstance, Output
from penstock.backends.interface import ModelContext
from penstock.backends.tensorrt.device import DeviceArray
from penstock.errors import InvalidArgError, ServerError, UnsupportedError
from penstock.types import DataType

sys.path.insert(0, str(Path(__file__).parent.parent / "fakes"))

from fake_libraries import compile_library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library("fake_cudart.cc", tmp_path_factory.mktemp("cuda") / "libcudart.so")


@pytest.fixture
def engine(library: Path) -> Iterator[Engine]:
    made = Engine(devices=True, pinned=True, cuda_libraries=[str(library)])
    assert engine_has_devices(made)
    yield made
    gc.collect()
    assert all(pool["in_use_bytes"] == 0 for pool in device_pools(made))
    assert made.pool_stats()["in_use_bytes"] == 0


class Doubler(FrameworkInstance):
    """A framework that computes where its inputs are."""

    framework = "doubler"

    def __init__(self, context: ModelContext, plan: Any, library: Path) -> None:
        super().__init__(context, plan)
        self._cuda = ctypes.CDLL(str(library))
        self._cuda.fake_cudart_view.restype = ctypes.c_void_p
        self.seen: list[Tensor] = []
        self.result: Any = None

    def present(self, tensor: Tensor) -> Tensor:
        return tensor

    def view(self, address: int, count: int) -> Any:
        """What is at an address of the device."""
        memory = self._cuda.fake_cudart_view(ctypes.c_void_p(address))
        return np.ctypeslib.as_array((ctypes.c_float * count).from_address(memory))

    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        tensor = inputs["INPUT0"]
        self.seen.append(tensor)
        interface = tensor.__cuda_array_interface__
        address, read_only = interface["data"]
        assert (interface["typestr"], interface["shape"], read_only) == ("<f4", tensor.shape, True)
        assert self.stream != 0
        values = self.view(address, int(np.prod(tensor.shape)))
        values *= 2
        if self.result is not None:
            return {"OUTPUT0": self.result(tensor, address)}
        return {"OUTPUT0": tensor_from_dlpack(tensor, stream=self.stream, on_device=True)}


def context() -> ModelContext:
    return ModelContext("m", 1, Path("/nonexistent"), ModelConfig(name="m"))


class Caller:
    """Sends a request and has it executed here."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        self.bench = Bench(native=False, engine=engine, **settings)

    def answer(self, values: Sequence[float], execute: Any) -> list[float]:
        """The output's values. Raises what the request failed with."""
        call, answer = self.bench.submit(values)
        batch = self.bench.next()
        execute(batch)
        self.bench.model.complete(0, batch)
        self.bench.wait(answer)
        message, json_bytes = call.encode()
        return [float(value) for value in np.frombuffer(message[json_bytes:], np.float32)]

    def close(self) -> None:
        """The instance comes to its end, as one does when its model is unloaded."""
        self.bench.engine.retire(self.bench.model)
        assert self.bench.model.next(0) is None


@pytest.fixture
def model(engine: Engine, library: Path) -> Iterator[tuple[Caller, Doubler]]:
    caller = Caller(engine, max_batch_size=4, instance_devices=[0])
    instance = Doubler(context(), caller.bench.model.plan, library)
    yield caller, instance
    caller.close()
    instance.seen.clear()


def test_inputs_and_outputs_stay_on_the_device(model: tuple[Caller, Doubler]) -> None:
    caller, instance = model
    assert caller.answer([1.5, 2.5], instance.execute) == [3.0, 5.0]
    (tensor,) = instance.seen
    assert tensor.device == 0
    assert tensor.__dlpack_device__() == (2, 0)  # kDLCUDA


def test_arrays_with_the_cuda_array_interface_are_outputs(model: tuple[Caller, Doubler]) -> None:
    caller, instance = model
    instance.result = lambda tensor, address: tensor_from_cuda_array(
        DeviceArray(address, tensor.shape, "<f4", tensor), 0
    )
    assert caller.answer([4.0], instance.execute) == [8.0]


def test_what_the_host_cannot_reach_is_refused(model: tuple[Caller, Doubler]) -> None:
    caller, instance = model
    caller.answer([1.0], instance.execute)
    (tensor,) = instance.seen
    with pytest.raises(UnsupportedError, match="Tensor is stored in GPU and cannot be converted"):
        tensor.numpy()
    with pytest.raises(UnsupportedError, match="stored in GPU"):
        memoryview(tensor)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="only CPU memory is supported"):
        tensor_from_dlpack(tensor)


def test_output_of_another_device_fails_the_request(model: tuple[Caller, Doubler]) -> None:
    caller, instance = model
    instance.result = lambda tensor, address: tensor_from_cuda_array(
        DeviceArray(address, tensor.shape, "<f4", tensor), 3
    )
    with pytest.raises(ServerError, match="is in the memory of GPU 3, expected the host's"):
        caller.answer([1.0], instance.execute)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"typestr": "<c8"}, UnsupportedError),
        ({"strides": (4, 8)}, InvalidArgError),
        ({"mask": object()}, UnsupportedError),
    ],
)
def test_arrays_that_the_protocol_has_not_are_refused(
    change: dict[str, Any], error: type[Exception]
) -> None:
    class Array:
        __cuda_array_interface__ = {
            "version": 3,
            "typestr": "<f4",
            "shape": (2, 2),
            "data": (4096, False),
        } | change

    with pytest.raises(error):
        tensor_from_cuda_array(Array(), 0)


def test_array_keeps_its_owner_alive() -> None:
    class Array(DeviceArray):
        pass

    array = Array(4096, (2, 3), "<u2", None)
    before = sys.getrefcount(array)
    tensor = tensor_from_cuda_array(array, 1, DataType.BF16)
    assert sys.getrefcount(array) == before + 1
    assert (tensor.data_type, tensor.shape, tensor.nbytes) == (DataType.BF16, (2, 3), 12)
    assert tensor.device == 1


def test_host_tensors_have_no_cuda_array_interface(engine: Engine) -> None:
    caller = Caller(engine, max_batch_size=4)
    seen: list[Tensor] = []

    def look(batch: Batch) -> None:
        seen.append(batch.gather("INPUT0"))
        batch.scatter("OUTPUT0", seen[0])

    assert caller.answer([1.0], look) == [1.0]
    caller.close()
    assert not hasattr(seen[0], "__cuda_array_interface__")
    assert seen[0].device == -1
    assert seen[0].__dlpack_device__() == (1, 0)


def test_memory_of_a_gpu(engine: Engine) -> None:
    free_bytes, total_bytes = gpu_memory(engine, 0)
    assert 0 < free_bytes <= total_bytes == 1 << 30
    with pytest.raises(InvalidArgError, match="there is no GPU 7"):
        gpu_memory(engine, 7)


def test_engine_without_cuda() -> None:
    engine = Engine(devices=True, cuda_libraries=["/nonexistent/libcudart.so"])
    assert not engine_has_devices(engine)
    assert device_pools(engine) == []
    with pytest.raises(ServerError, match="no CUDA runtime: /nonexistent"):
        gpu_memory(engine, 0)
