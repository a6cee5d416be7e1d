# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""TensorRT and the CUDA runtime as the back end sees them, in host memory.

An "engine file" is JSON: `tensors`, each with name, mode, type, shape and, for an input, `profiles`
of [least, best, most]. Running it writes, to every output, the bytes of the input of the same
place, so that addresses, sizes and copies must all be right.
"""

from __future__ import annotations

import ctypes
import enum
import json
import math
from pathlib import Path
from typing import Any

Mode = enum.Enum("Mode", ["NONE", "INPUT", "OUTPUT"])
Location = enum.Enum("Location", ["DEVICE", "HOST"])
Format = enum.Enum("Format", ["LINEAR", "CHW32"])
Type = enum.Enum(
    "Type", ["FLOAT", "HALF", "BF16", "INT8", "INT32", "INT64", "BOOL", "UINT8", "FP8"]
)
Severity = enum.Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])
SIZES = {"FLOAT": 4, "HALF": 2, "BF16": 2, "INT32": 4, "INT64": 8}


def write_engine(model_dir: Path, tensors: list[dict[str, Any]]) -> Path:
    """Version 1 of a model."""
    (model_dir / "1").mkdir(parents=True, exist_ok=True)
    (model_dir / "1" / "model.plan").write_text(json.dumps({"tensors": tensors}))
    return model_dir


class FakeTensorRt:
    """The module. `devices_used`: that of each runtime's thread when it was made."""

    TensorIOMode, TensorLocation, TensorFormat, DataType = Mode, Location, Format, Type

    class ILogger:
        """The base class of logs."""

        Severity = Severity

    def __init__(self) -> None:
        self.runtimes: list[FakeRuntime] = []
        self.contexts: list[FakeContext] = []
        self.plugins_registered = 0

    def init_libnvinfer_plugins(self, log: Any, namespace: str) -> bool:
        self.plugins_registered += 1
        return True

    def Runtime(self, log: Any) -> FakeRuntime:
        self.runtimes.append(FakeRuntime(self, log))
        return self.runtimes[-1]


class FakeRuntime:
    """Reads engines."""

    num_DLA_cores = 1
    engine_host_code_allowed = False
    DLA_core = -1

    def __init__(self, module: FakeTensorRt, log: Any) -> None:
        self.module, self.log = module, log

    def deserialize_cuda_engine(self, plan: bytes) -> FakeEngine | None:
        try:
            return FakeEngine(self, json.loads(plan)["tensors"])
        except ValueError:
            self.log.log(Severity.ERROR, "the magic tag does not match")
            return None


class FakeEngine:
    """What a file says."""

    def __init__(self, runtime: FakeRuntime, tensors: list[dict[str, Any]]) -> None:
        self.runtime = runtime
        self.tensors = {tensor["name"]: tensor for tensor in tensors}
        self.num_io_tensors = len(tensors)
        self.num_optimization_profiles = len(tensors[0]["profiles"])

    def get_tensor_name(self, index: int) -> str:
        return [*self.tensors][index]

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode[self.tensors[name]["mode"]]

    def get_tensor_dtype(self, name: str) -> Type:
        return Type[self.tensors[name]["type"]]

    def get_tensor_shape(self, name: str) -> list[int]:
        return list(self.tensors[name]["shape"])

    def get_tensor_location(self, name: str) -> Location:
        return Location[self.tensors[name].get("location", "DEVICE")]

    def get_tensor_format(self, name: str) -> Format:
        return Format[self.tensors[name].get("format", "LINEAR")]

    def is_shape_inference_io(self, name: str) -> bool:
        return False

    def get_tensor_profile_shape(self, name: str, index: int) -> list[list[int]]:
        profiles: list[list[list[int]]] = self.tensors[name]["profiles"]
        return profiles[index]

    def create_execution_context(self) -> FakeContext:
        context = FakeContext(self)
        self.runtime.module.contexts.append(context)
        return context


class FakeContext:
    """Runs an engine."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.profile: int | None = None
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.runs = 0
        self.refuses = False

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self.profile = index
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self.engine.get_tensor_profile_shape(name, self.profile or 0)
        assert all(a <= dim <= b for a, dim, b in zip(least, shape, most, strict=True))
        self.shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """An output has the open dimensions of the first input."""
        first = next(iter(self.shapes.values()))
        shape = self.engine.tensors[name]["shape"]
        if self.engine.tensors[name].get("data_dependent"):
            return tuple(shape)
        return tuple(first[at] if dim == -1 else dim for at, dim in enumerate(shape))

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self.runs += 1
        if self.refuses:
            self.engine.runtime.log.log(Severity.ERROR, "enqueueV3: the device has gone")
            return False
        tensors = self.engine.tensors.values()
        inputs = [tensor for tensor in tensors if tensor["mode"] == "INPUT"]
        outputs = [tensor for tensor in tensors if tensor["mode"] == "OUTPUT"]
        for source, target in zip(inputs, outputs, strict=True):
            name = source["name"]
            size = math.prod(self.shapes[name]) * SIZES.get(source["type"], 1)
            ctypes.memmove(self.addresses[target["name"]], self.addresses[name], size)
        return True


class FakeCudaRuntime:
    """cuda.bindings.runtime: device memory is memory of the process, copies are at once."""

    cudaMemcpyKind = enum.Enum(
        "cudaMemcpyKind", ["cudaMemcpyHostToDevice", "cudaMemcpyDeviceToHost"]
    )

    def __init__(self) -> None:
        self.memory: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.devices: list[int] = []
        self.streams = 0
        self.fails: dict[str, int] = {}  # function -> error

    def _result(self, function: str, *values: Any) -> tuple[Any, ...]:
        error = self.fails.get(function, 0)
        return (error,) if error else (0, *values)

    def cudaSetDevice(self, index: int) -> tuple[Any, ...]:
        self.devices.append(index)
        return self._result("cudaSetDevice")

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        self.streams += 1
        return self._result("cudaStreamCreateWithFlags", 77)

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        self.streams -= 1
        return self._result("cudaStreamDestroy")

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        return self._result("cudaStreamSynchronize")

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        if "cudaMalloc" in self.fails:
            return self._result("cudaMalloc")
        block = ctypes.create_string_buffer(size)
        self.memory[ctypes.addressof(block)] = block
        return 0, ctypes.addressof(block)

    def cudaFree(self, address: int) -> tuple[Any, ...]:
        del self.memory[address]
        return self._result("cudaFree")

    def cudaMemcpyAsync(
        self, to: int, source: int, size: int, kind: Any, stream: int
    ) -> tuple[Any, ...]:
        if "cudaMemcpyAsync" not in self.fails:
            ctypes.memmove(to, source, size)
        return self._result("cudaMemcpyAsync")

    def cudaGetErrorString(self, error: int) -> tuple[Any, ...]:
        return 0, {2: b"out of memory", 46: b"device is busy"}.get(error, b"unknown error")
