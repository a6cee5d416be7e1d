# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One GPU as an instance uses it: a stream, buffers by name, copies. Through cuda-python."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from penstock.backends.framework.availability import not_installed
from penstock.errors import InternalError, UnavailableError

_NON_BLOCKING: Final = 1  # cudaStreamNonBlocking
_OUT_OF_MEMORY: Final = 2  # cudaErrorMemoryAllocation

Array = npt.NDArray[Any]


def open_runtime() -> Any:
    """The CUDA runtime's bindings. Raises UnsupportedError, naming the extra."""
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise not_installed("cuda-python", "tensorrt", error) from None


@dataclass(frozen=True)
class DeviceArray:
    """A tensor in a GPU's memory, as the CUDA array interface describes it (version 3)."""

    address: int
    shape: tuple[int, ...]
    typestr: str
    #: what keeps the memory
    owner: Any

    def reshape(self, shape: tuple[int, ...]) -> DeviceArray:
        """The same memory; as many elements."""
        return replace(self, shape=shape)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.typestr,
            "data": (self.address, False),
            "strides": None,
            "stream": None,
        }


class Device:
    """Belongs to the thread that made it. Nothing is copied before `synchronize` returns."""

    def __init__(self, runtime: Any, index: int) -> None:
        """Makes it the thread's device. Raises InternalError in CUDA's words."""
        self._runtime = runtime
        self.index = index
        self._buffers: dict[str, tuple[int, int]] = {}  # address, size
        self._call("cudaSetDevice", index)
        (self.stream,) = self._call("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def buffer(self, name: str, size_bytes: int) -> int:
        """The address of at least that many bytes; what the name had before is lost.

        Raises UnavailableError when the GPU has no memory left.
        """
        address, size = self._buffers.get(name, (0, 0))
        if address and size >= size_bytes:
            return address
        if address:
            del self._buffers[name]
            self._call("cudaFree", address)
        wanted = max(size_bytes, 1)  # an address is needed for nothing, too
        (address,) = self._call("cudaMalloc", wanted)
        self._buffers[name] = (int(address), wanted)
        return int(address)

    def copy_in(self, name: str, array: Array) -> int:
        """Copies an array, which must live until `synchronize`; the address it has there."""
        contiguous = np.ascontiguousarray(array)
        address = self.buffer(name, contiguous.nbytes)
        if contiguous is not array:  # it goes with this call
            self._copy(address, contiguous.ctypes.data, contiguous.nbytes, "cudaMemcpyHostToDevice")
            self.synchronize()
        else:
            self._copy(address, array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice")
        return address

    def copy_out(self, address: int, array: Array) -> None:
        """Copies into an array, which has the data after `synchronize`."""
        self._copy(array.ctypes.data, address, array.nbytes, "cudaMemcpyDeviceToHost")

    def synchronize(self) -> None:
        """Waits for everything that was begun."""
        self._call("cudaStreamSynchronize", self.stream)

    def close(self) -> None:
        """Frees all; on the thread that made it."""
        for address, _ in self._buffers.values():
            self._call("cudaFree", address)
        self._buffers.clear()
        self._call("cudaStreamDestroy", self.stream)

    def _copy(self, to: int, source: int, size_bytes: int, kind: str) -> None:
        if size_bytes:
            direction = getattr(self._runtime.cudaMemcpyKind, kind)
            self._call("cudaMemcpyAsync", to, source, size_bytes, direction, self.stream)

    def _call(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        error, *results = getattr(self._runtime, function)(*arguments)
        if int(error) == 0:
            return tuple(results)
        words = self._runtime.cudaGetErrorString(error)[1]
        text = words.decode() if isinstance(words, bytes) else str(words)
        message = f"GPU {self.index}: {function}: {text} ({int(error)})"
        raise UnavailableError(message) if int(error) == _OUT_OF_MEMORY else InternalError(message)
