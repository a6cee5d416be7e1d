# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Many models in one server: the start, a request, the index and the metrics.

Aims, of 1,000: ready in 60 s; a request costs at most 1.05 times what it does beside no other
model; index and metrics answer within 100 ms.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from benchmarks.lifecycle.control import call, fresh_repository, write_identity
from benchmarks.lifecycle.storm import costs_us
from benchmarks.load.rounds import Target
from benchmarks.report import number

HEADER = [
    "many models",
    "start, s",
    "CPU us a request",
    "ratio to one model",
    "index, ms",
    "metrics, ms",
    "RSS, MiB",
    "met (60, 1.05, 100, 100)",
]
Start = Callable[..., tuple[Target, int]]


def row(name: str, start: Start, alone: Target, *, models: int, seconds: float) -> list[str]:
    """`start` gives the server of a repository, and its metrics port; `alone` has one model."""
    root = fresh_repository(f"many-{name.lower()}")
    write_identity(root, "steady")
    for number_ in range(models - 1):
        write_identity(root, f"model_{number_}")
    began = time.monotonic()
    target, metrics = start(root)
    with target.server:
        took_s = time.monotonic() - began
        cost, alone_us = costs_us(target, alone, seconds)
        index_ms = _median_ms(lambda: call(target, "v2/repository/index", {}))
        metrics_ms = _median_ms(lambda: call(target, "metrics", port=metrics))
        rss = target.server.rss_bytes() / 2**20
    ratio = cost / alone_us
    met = took_s <= 60 and ratio <= 1.05 and max(index_ms, metrics_ms) <= 100
    figures = [f"{took_s:.1f}", number(cost), f"{ratio:.3f}", number(index_ms), number(metrics_ms)]
    return [f"{name}, {models:,} models", *figures, f"{rss:.0f}", "yes" if met else "**no**"]


def _median_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(7):
        began = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
