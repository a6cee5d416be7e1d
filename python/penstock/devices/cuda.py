# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Finds GPUs through the CUDA driver, which is opened at run time and never linked.

The driver's library comes with the kernel driver, so that one build serves machines with and
without GPUs. Asking it makes no context and takes no memory on a device.
"""

from __future__ import annotations

import ctypes
import uuid
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, create_string_buffer
from typing import Any, Final

from penstock.devices.gpus import Gpu, Gpus

LIBRARY: Final = "libcuda.so.1"
#: Numbers of the driver's public interface (CUdevice_attribute).
_CAPABILITY_MAJOR: Final = 75
_CAPABILITY_MINOR: Final = 76
_NAME_BYTES: Final = 256
_UUID_BYTES: Final = 16
#: No machine has more; a driver that says so is not believed.
_MAX_GPUS: Final = 1024


class DriverError(Exception):
    """A call of the driver failed; the text is the driver's own."""


def find_gpus(min_compute_capability: float = 0.0, library: str = LIBRARY) -> Gpus:
    """All GPUs that the driver lets this process see (CUDA_VISIBLE_DEVICES counts).

    Never raises: without a driver, or with one that fails, `problem` says why there are none. A
    GPU that cannot be asked is left out, and named in `problem`.
    """
    try:
        driver = Driver(library)
        count = driver.count()
    except DriverError as error:
        return Gpus(problem=str(error), min_compute_capability=min_compute_capability)
    found: list[Gpu] = []
    problems: list[str] = [] if count else [f"{library}: no GPU"]
    for index in range(count):
        try:
            found.append(driver.describe(index))
        except DriverError as error:
            problems.append(f"GPU {index}: {error}")
    return Gpus(tuple(found), "; ".join(problems), min_compute_capability)


class Driver:
    """The few functions of the driver that are needed. Thread safe, as the driver is."""

    def __init__(self, library: str = LIBRARY) -> None:
        """Opens and initialises it. Raises DriverError."""
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise DriverError(f"no CUDA driver: {error}") from None
        self._name = library
        self._call("cuInit", c_uint(0))

    def count(self) -> int:
        """How many GPUs there are. Raises DriverError."""
        count = c_int()
        self._call("cuDeviceGetCount", byref(count))
        if not 0 <= count.value <= _MAX_GPUS:
            raise DriverError(f"{self._name}: cuDeviceGetCount says {count.value} GPUs")
        return count.value

    def describe(self, index: int) -> Gpu:
        """What there is to know of one. Raises DriverError."""
        device = c_int()
        self._call("cuDeviceGet", byref(device), c_int(index))
        name = create_string_buffer(_NAME_BYTES)
        self._call("cuDeviceGetName", name, c_int(_NAME_BYTES), device)
        unique = create_string_buffer(_UUID_BYTES)
        self._call("cuDeviceGetUuid", unique, device)
        memory = c_size_t()
        self._call("cuDeviceTotalMem_v2", byref(memory), device)
        return Gpu(
            index=index,
            name=name.value.decode(errors="replace"),
            uuid=f"GPU-{uuid.UUID(bytes=unique.raw)}",
            memory_bytes=memory.value,
            compute_capability=(
                self._attribute(_CAPABILITY_MAJOR, device),
                self._attribute(_CAPABILITY_MINOR, device),
            ),
        )

    def _attribute(self, number: int, device: c_int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), c_int(number), device)
        return value.value

    def _call(self, function: str, *arguments: Any) -> None:
        try:
            code = int(self._library[function](*arguments))
        except AttributeError:
            raise DriverError(
                f"{self._name}: not a CUDA driver, it has no function {function}"
            ) from None
        if code != 0:
            raise DriverError(f"{self._name}: {function}: {self._words(code)}")

    def _words(self, code: int) -> str:
        text = c_char_p()
        try:
            known = self._library["cuGetErrorString"](c_int(code), byref(text)) == 0
        except AttributeError:
            known = False
        words = text.value.decode(errors="replace") if known and text.value else "unknown error"
        return f"{words} ({code})"
