# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reads GPUs' sensors through NVIDIA's management library, which is opened at run time.

It comes with the kernel driver. Where it is missing, or fails, there is nothing to read.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Iterator
from ctypes import byref, c_uint, c_ulonglong, c_void_p, create_string_buffer
from typing import Any, Final

from penstock.telemetry.gpu import GpuReading

_LOGGER = logging.getLogger(__name__)

LIBRARY: Final = "libnvidia-ml.so.1"
_UUID_BYTES: Final = 96
#: No machine has more; a library that says so is not believed.
_MAX_GPUS: Final = 1024


class NvmlError(Exception):
    """A call failed; the text is the library's own."""


class _Utilization(ctypes.Structure):
    """nvmlUtilization_t: percent."""

    _fields_ = (("gpu", c_uint), ("memory", c_uint))


class _Memory(ctypes.Structure):
    """nvmlMemory_t: bytes."""

    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


class Nvml:
    """The library, opened at the first reading and never closed. Thread safe."""

    def __init__(self, library: str = LIBRARY) -> None:
        self._name = library
        self._library: ctypes.CDLL | None = None
        self._lock = threading.Lock()
        self._opened = False

    def read(self) -> list[GpuReading]:
        """All GPUs now; none where the library is missing. A GPU that is lost is left out."""
        if not self._open():
            return []
        return [*self._readings()]

    def _open(self) -> bool:
        """Whether the library is there; looked for once."""
        with self._lock:
            if not self._opened:
                self._opened = True
                try:
                    self._library = ctypes.CDLL(self._name)
                    self._call("nvmlInit_v2")
                except (OSError, NvmlError) as error:
                    self._library = None
                    _LOGGER.info("no GPU metrics: %s", error)
            return self._library is not None

    def _readings(self) -> Iterator[GpuReading]:
        count = c_uint()
        try:
            self._call("nvmlDeviceGetCount_v2", byref(count))
        except NvmlError as error:
            _LOGGER.debug("no GPU metrics: %s", error)
            return
        for index in range(min(count.value, _MAX_GPUS)):
            try:
                yield self._reading(index)
            except NvmlError as error:
                _LOGGER.debug("no metrics of GPU %d: %s", index, error)

    def _reading(self, index: int) -> GpuReading:
        device = c_void_p()
        self._call("nvmlDeviceGetHandleByIndex_v2", c_uint(index), byref(device))
        uuid = create_string_buffer(_UUID_BYTES)
        self._call("nvmlDeviceGetUUID", device, uuid, c_uint(_UUID_BYTES))
        memory = self._value("nvmlDeviceGetMemoryInfo", device, _Memory())
        utilization = self._value("nvmlDeviceGetUtilizationRates", device, _Utilization())
        return GpuReading(
            uuid=uuid.value.decode(errors="replace"),
            utilization=None if utilization is None else utilization.gpu / 100,
            memory_total_bytes=None if memory is None else float(memory.total),
            memory_used_bytes=None if memory is None else float(memory.used),
            power_watts=self._milli("nvmlDeviceGetPowerUsage", device, c_uint),
            power_limit_watts=self._milli("nvmlDeviceGetPowerManagementLimit", device, c_uint),
            energy_joules=self._milli("nvmlDeviceGetTotalEnergyConsumption", device, c_ulonglong),
        )

    def _milli(self, function: str, device: c_void_p, kind: Callable[[], Any]) -> float | None:
        value = self._value(function, device, kind())
        return None if value is None else value.value / 1000

    def _value(self, function: str, device: c_void_p, out: Any) -> Any:
        """What the device says; None for a sensor that it has not."""
        try:
            self._call(function, device, byref(out))
        except NvmlError:
            return None
        return out

    def _call(self, function: str, *arguments: Any) -> None:
        assert self._library is not None
        try:
            code = int(self._library[function](*arguments))
        except AttributeError:
            raise NvmlError(f"{self._name}: it has no function {function}") from None
        if code != 0:
            raise NvmlError(f"{self._name}: {function}: {self._words(code)}")

    def _words(self, code: int) -> str:
        assert self._library is not None
        try:
            function = self._library["nvmlErrorString"]
        except AttributeError:
            return f"error {code}"
        function.restype = ctypes.c_char_p
        words = function(ctypes.c_int(code))
        return f"{words.decode(errors='replace') if words else 'error'} ({code})"
