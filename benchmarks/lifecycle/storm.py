# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One model is loaded and unloaded by four clients while another one answers; and what a thousand
reloads leave behind: in the cost of a request, and in memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from benchmarks.lifecycle.control import load, unload
from benchmarks.load.client import LoadRun
from benchmarks.load.rounds import Target, median, paired_rounds
from benchmarks.load.workloads import SMALL, http_workload
from benchmarks.report import number

CLIENTS = 4
REQUESTS = 50_000
_ROUNDS = 9
STEADY = http_workload("steady", "steady", SMALL, connections=8)


def storm_row(target: Target, *, cycles: int, seconds: float) -> list[str]:
    """While `steady` answers 50,000 requests, evenly spread."""
    rate = REQUESTS / seconds
    LoadRun(STEADY, target.http_port, seconds=1.0, rate=rate).result()
    alone = LoadRun(STEADY, target.http_port, seconds=seconds, rate=rate).outcome()
    running = LoadRun(STEADY, target.http_port, seconds=seconds, rate=rate)
    ends = time.monotonic() + seconds
    refused = 0

    def client(_: int) -> int:
        # Or it would take the core from the program that measures.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
        done = 0
        for _ in range(cycles):
            if time.monotonic() > ends - 0.2:
                break
            nonlocal refused
            try:
                load(target, "stormy", anew=True)
                unload(target, "stormy")
            except (RuntimeError, OSError):  # also of a server that has died
                refused += 1
                if not target.server.runs:
                    break
            done += 1
        return done

    with ThreadPoolExecutor(CLIENTS) as threads:
        done = sum(threads.map(client, range(CLIENTS)))
    if not target.server.runs:
        running.end()
        return [target.name, f"{done}", *["the server crashed"] * 6, "**no**"]
    during = running.outcome()
    ratio = during.p99_us / alone.p99_us
    met = "yes" if not during.failed and ratio <= 2 else "**no**"
    figures = [f"{done}", f"{refused}", f"{during.requests:,}", f"{during.failed}"]
    times = [number(alone.p99_us), number(during.p99_us), f"{ratio:.2f}"]
    return [target.name, *figures, *times, met]


STORM_HEADER = [
    "load/unload storm, 4 clients",
    "cycles",
    "refused",
    "other model's requests",
    "failed",
    "p99 alone, us",
    "p99 during, us",
    "ratio",
    "met (0, 2)",
]


def ageing_row(target: Target, unchanged: Target, *, reloads: int, seconds: float) -> list[str]:
    """CPU a request of `steady` once it was loaded anew so often, beside a server where not."""
    began = time.monotonic()
    for _ in range(reloads):
        load(target, "steady", anew=True)
    each_ms = 1000 * (time.monotonic() - began) / reloads
    aged, fresh = costs_us(target, unchanged, seconds)
    met = "yes" if aged <= 1.05 * fresh else "**no**"
    return [target.name, number(fresh), number(aged), f"{aged / fresh:.3f}", number(each_ms), met]


AGEING_HEADER = [
    "CPU us a request",
    "fresh",
    "after the reloads",
    "ratio",
    "ms a reload",
    "met (1.05)",
]


def memory_row(
    target: Target,
    name: str,
    *,
    cycles: int,
    loads: Callable[[], None],
    unloads: Callable[[], None],
) -> list[str]:
    """Resident memory over cycles of load and unload, once it is warm."""
    warm_up = max(3, cycles // 10)
    for _ in range(warm_up):
        loads()
        unloads()
    warm = _settled_rss(target)
    for _ in range(cycles):
        loads()
        unloads()
    grown = (_settled_rss(target) - warm) / 2**20
    met = "yes" if grown <= 5 else "**no**"
    return [f"{target.name}, {name}", f"{warm / 2**20:.1f}", f"{grown:+.1f}", met]


MEMORY_HEADER = ["resident memory, MiB", "warm", "growth over the cycles", "met (5)"]


def _settled_rss(target: Target) -> int:
    """Unloading goes on for a moment after its call has returned."""
    low = target.server.rss_bytes()
    for _ in range(20):
        time.sleep(0.1)
        low = min(low, target.server.rss_bytes())
    return low


def costs_us(one: Target, other: Target, seconds: float) -> tuple[float, float]:
    """CPU a request of `steady` on both, in turns: the machine is the same for the two."""
    targets = [replace(one, name="one"), replace(other, name="other")]
    samples = paired_rounds(targets, STEADY, rounds=_ROUNDS, seconds=seconds / _ROUNDS)
    return median(samples["one"]).cpu_us, median(samples["other"]).cpu_us
