# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Metrics of the pools of GPUs' memory, beside those of the pinned pool (M-18)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True)
class DevicePool:
    """One pool; bytes."""

    gpu_uuid: str
    total_bytes: int
    used_bytes: int


class DevicePoolCollector(Collector):
    """Two gauges for each GPU that has had a tensor: what its pool keeps, and what is in use."""

    def __init__(self, read: Callable[[], Iterable[DevicePool]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Nothing while there is no pool. More may be in use than a pool keeps."""
        total = Metric(
            "penstock_cuda_memory_pool_total_bytes",
            "CUDA memory pool total memory size, in bytes",
            "gauge",
        )
        used = Metric(
            "penstock_cuda_memory_pool_used_bytes",
            "CUDA memory pool used memory size, in bytes",
            "gauge",
        )
        pools = list(self._read())
        for pool in pools:
            labels = {"gpu_uuid": pool.gpu_uuid}
            total.add_sample(total.name, labels, float(pool.total_bytes))
            used.add_sample(used.name, labels, float(pool.used_bytes))
        if pools:
            yield total
            yield used
