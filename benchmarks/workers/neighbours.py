# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""CPU-bound Python models beside each other, and beside a native model.

Aims: two of them on two cores do 1.8 times the work of one; one of them moves the 99th percentile
of a native neighbour at most 1.2 times.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from benchmarks.load.client import LoadRun
from benchmarks.load.rounds import Target
from benchmarks.load.workloads import SMALL, http_workload
from benchmarks.processes import CORES
from benchmarks.report import number
from benchmarks.workers.models import BOUND, BUSY, BUSY_MS, NATIVE, NICE, NICENESS

SCALING_BAR, P99_BAR = 1.8, 1.2
SCALING_HEADER = [
    f"Python code of {BUSY_MS} ms, two cores",
    "one model, requests/s",
    "two models",
    "ratio",
    f"met ({SCALING_BAR})",
]
NEIGHBOUR_HEADER = [
    "a native model on two cores",
    "requests/s",
    "p99 alone, us",
    "beside a busy Python model",
    "ratio",
    f"met ({P99_BAR})",
]
_RATE = 2_000.0
#: the busy model -> what is done about it
_NOISES = {
    BUSY[0]: "nothing is done about it",
    BOUND: "the busy one on a core of its own",
    NICE: f"the busy one with niceness {NICENESS}",
}


def scaling_row(target: Target, *, rounds: int, seconds: float) -> list[str]:
    """One model alone, and both at once, in turn."""
    # Two at a time each: one is executed, one waits.
    loads = [http_workload(name, name, SMALL, connections=2) for name in BUSY]
    alone, both = [], []
    for _ in range(rounds):
        alone.append(
            LoadRun(loads[0], target.http_port, seconds=seconds, cores=CORES).result().rate
        )
        runs = [LoadRun(load, target.http_port, seconds=seconds, cores=CORES) for load in loads]
        both.append(sum(run.result().rate for run in runs))
    ratio = statistics.median(b / a for a, b in zip(alone, both, strict=True))
    met = "yes" if ratio >= SCALING_BAR else "**no**"
    figures = [number(statistics.median(alone)), number(statistics.median(both))]
    return ["worker processes", *figures, f"{ratio:.2f}", met]


def neighbour_rows(target: Target, *, rounds: int, seconds: float) -> list[list[str]]:
    """Constant traffic to the native model, without and with a busy one, in turn.

    One of those keeps to a core, by its host policy, and the client to the other; with the others
    the client, too, has to wait for a core.
    """
    return [_row(target, name, rounds, seconds) for name in _NOISES]


def _row(target: Target, name: str, rounds: int, seconds: float) -> list[str]:
    native = http_workload("neighbour", NATIVE, SMALL, connections=32)
    busy = replace(http_workload(name, name, SMALL), connections=2)
    cores = CORES[:-1] if name == BOUND else CORES
    alone, beside = [], []
    for _ in range(rounds):
        quiet = LoadRun(native, target.http_port, seconds=seconds, rate=_RATE, cores=cores)
        alone.append(quiet.result().p99_us)
        noise = LoadRun(busy, target.http_port, seconds=seconds, cores=CORES)
        asked = LoadRun(native, target.http_port, seconds=seconds, rate=_RATE, cores=cores)
        beside.append(asked.result().p99_us)
        noise.result()
    ratio = statistics.median(b / a for a, b in zip(alone, beside, strict=True))
    met = "yes" if ratio <= P99_BAR else "**no**"
    figures = [number(statistics.median(alone)), number(statistics.median(beside))]
    return [f"identity, HTTP; {_NOISES[name]}", number(_RATE), *figures, f"{ratio:.2f}", met]
