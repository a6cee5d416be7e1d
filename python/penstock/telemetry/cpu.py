# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""M-19: the machine's CPU and memory use, read from /proc at scrape time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_KIB = 1024


class CpuCollector(Collector):
    """nv_cpu_utilization (0..1) and the memory gauges.

    Utilisation is that between two readings at least `interval_s` apart, so that two scrapers do
    not shorten each other's window.
    """

    def __init__(
        self,
        *,
        interval_s: float = 1.0,
        proc: Path = Path("/proc"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s = interval_s
        self._proc = proc
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = clock()
        self._times = self._cpu_times()
        self._utilization = 0.0

    def collect(self) -> Iterator[Metric]:
        """Three gauges without labels; nothing where /proc is missing."""
        memory = self._memory()
        yield from _gauges(
            (
                ("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", self._refresh()),
                ("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", memory[0]),
                ("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", memory[1]),
            )
        )

    def _refresh(self) -> float:
        with self._lock:
            now = self._clock()
            if now - self._read_at >= self._interval_s:
                busy, total = self._cpu_times()
                elapsed = total - self._times[1]
                if elapsed > 0:
                    self._utilization = min(1.0, max(0.0, (busy - self._times[0]) / elapsed))
                self._times = (busy, total)
                self._read_at = now
            return self._utilization

    def _cpu_times(self) -> tuple[int, int]:
        """(busy, total) jiffies of all cores since boot."""
        with (self._proc / "stat").open() as file:
            fields = [int(value) for value in file.readline().split()[1:]]
        # user nice system idle iowait irq softirq steal; guest time is already inside user
        total = sum(fields[:8])
        return total - fields[3] - fields[4], total

    def _memory(self) -> tuple[float, float]:
        """(total, total - available) bytes."""
        values: dict[str, int] = {}
        with (self._proc / "meminfo").open() as file:
            for line in file:
                name, _, rest = line.partition(":")
                values[name] = int(rest.split()[0]) * _KIB
        total = values["MemTotal"]
        return float(total), float(total - values.get("MemAvailable", values.get("MemFree", 0)))


def _gauges(rows: tuple[tuple[str, str, float], ...]) -> Iterator[Metric]:
    for name, documentation, value in rows:
        metric = Metric(name, documentation, "gauge")
        metric.add_sample(name, {}, value)
        yield metric
