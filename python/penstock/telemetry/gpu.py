# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""M-20, M-21: the GPUs' load, memory and power, read at scrape time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one moment; None for what it has no sensor for."""

    uuid: str
    utilization: float | None = None  # 0 to 1
    memory_total_bytes: float | None = None
    memory_used_bytes: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None  # since the driver was loaded


_GAUGES: Final[tuple[tuple[str, str, Callable[[GpuReading], float | None]], ...]] = (
    ("nv_gpu_utilization", "GPU utilization rate [0.0 - 1.0)", lambda gpu: gpu.utilization),
    (
        "nv_gpu_memory_total_bytes",
        "GPU total memory, in bytes",
        lambda gpu: gpu.memory_total_bytes,
    ),
    ("nv_gpu_memory_used_bytes", "GPU used memory, in bytes", lambda gpu: gpu.memory_used_bytes),
    ("nv_gpu_power_usage", "GPU power usage in watts", lambda gpu: gpu.power_watts),
    (
        "nv_gpu_power_limit",
        "GPU power management limit in watts",
        lambda gpu: gpu.power_limit_watts,
    ),
)


class GpuCollector(Collector):
    """The families of every GPU; none without GPUs."""

    def __init__(self, read: Callable[[], Iterable[GpuReading]]) -> None:
        """Reads once: energy counts from here on (M-21)."""
        self._read = read
        self._lock = threading.Lock()
        self._energy_at_start: dict[str, float] = {}
        for gpu in read():
            self._energy(gpu)

    def collect(self) -> Iterator[Metric]:
        """Five gauges and a counter, labelled gpu_uuid."""
        gpus = [*self._read()]
        for name, documentation, value in _GAUGES:
            yield _metric(name, documentation, "gauge", ((gpu.uuid, value(gpu)) for gpu in gpus))
        yield _metric(
            "nv_energy_consumption",
            "GPU energy consumption in joules since the server started",
            "counter",
            ((gpu.uuid, self._energy(gpu)) for gpu in gpus),
        )

    def _energy(self, gpu: GpuReading) -> float | None:
        """Since the start; a driver that is loaded anew counts from 0 again, and so do we."""
        if gpu.energy_joules is None:
            return None
        with self._lock:
            start = self._energy_at_start.setdefault(gpu.uuid, gpu.energy_joules)
            if gpu.energy_joules < start:
                start = self._energy_at_start[gpu.uuid] = 0.0
        return gpu.energy_joules - start


def _metric(
    name: str, documentation: str, kind: str, values: Iterable[tuple[str, float | None]]
) -> Metric:
    metric = Metric(name, documentation, kind)
    for uuid, value in values:
        if value is not None:
            metric.add_sample(name, {"gpu_uuid": uuid}, value)
    return metric
