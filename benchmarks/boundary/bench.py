# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The tables of the boundary: stages on one thread, closed loops on uvloop, what is left behind."""

from __future__ import annotations

import gc
import statistics
import sys

import uvloop

from benchmarks.boundary.closed_loop import (
    ClosedLoop,
    Cost,
    Door,
    Growth,
    Kind,
    bare_futures,
    closed_loop,
    heap_bytes,
)
from benchmarks.boundary.stages import BURST, StagedEngine
from benchmarks.load.workloads import SMALL
from benchmarks.report import number, table

_KINDS: tuple[Kind, ...] = ("native", "python")
_DOORS: tuple[Door, ...] = ("http", "grpc")
_WARM_UP = 32_000


def run(*, rounds: int, requests: int) -> str:
    """All three tables, as Markdown. A round of a closed loop has `requests` requests."""
    stages = _stage_table()
    costs, growths = uvloop.run(_closed_loops(rounds, requests))
    return "\n\n".join([stages, costs, growths])


def _stage_table() -> str:
    staged = StagedEngine()
    kinds = {
        "HTTP binary": staged.http(SMALL),
        "HTTP JSON": staged.http(SMALL, binary=False),
        "gRPC": staged.grpc(SMALL),
    }
    rows, header = [], ["ns a request, one thread"]
    for name, submit in kinds.items():
        for size in (1, BURST):
            times = staged.stage_times(submit, size=size, seconds=0.5)
            order = ("submit", "next", "gather, scatter", "complete", "drain", "encode")
            header = ["ns a request, one thread", *order, "sum"]
            cells = [number(times[stage]) for stage in order]
            rows.append([f"{name}, bursts of {size}", *cells, number(sum(times.values()))])
    return table(header, rows)


async def _closed_loops(rounds: int, requests: int) -> tuple[str, str]:
    await bare_futures(requests=requests)
    bare = [await bare_futures(requests=requests) for _ in range(rounds)]
    costs = [_cost_row("asyncio alone (futures that the loop resolves)", bare)]
    growths = []
    for kind in _KINDS:
        for dynamic in (False, True):
            async with closed_loop(kind, dynamic=dynamic) as loop:
                for door in _DOORS:
                    title = f"{kind} identity, {'dynamic' if dynamic else 'default'}, {door}"
                    await loop.run(door, requests=_WARM_UP)
                    samples = [await loop.run(door, requests=requests) for _ in range(rounds)]
                    costs.append(_cost_row(title, samples))
                    if dynamic:
                        growths.append(_growth_row(title, await _growth(loop, door, requests)))
    cost_header = ["16 in flight on uvloop, ns a request", "loop thread", "all threads"]
    growth_header = [
        f"left behind by {requests:,} warm requests",
        *("pool's system allocations", "malloc bytes", "Python blocks"),
    ]
    return table(cost_header, costs), table(growth_header, growths)


async def _growth(loop: ClosedLoop, door: Door, requests: int) -> Growth:
    gc.collect()
    allocs = loop.engine.pool_stats()["system_allocs"]
    heap, blocks = heap_bytes(), sys.getallocatedblocks()
    await loop.run(door, requests=requests)
    gc.collect()
    return Growth(
        loop.engine.pool_stats()["system_allocs"] - allocs,
        heap_bytes() - heap,
        sys.getallocatedblocks() - blocks,
    )


def _cost_row(title: str, samples: list[Cost]) -> list[str]:
    loop_ns = statistics.median(sample.loop_ns for sample in samples)
    process_ns = statistics.median(sample.process_ns for sample in samples)
    return [title, number(loop_ns), number(process_ns)]


def _growth_row(title: str, growth: Growth) -> list[str]:
    return [title, *map(str, (growth.system_allocs, growth.heap_bytes, growth.python_blocks))]
