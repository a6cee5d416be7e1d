# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Worker processes: killed under load, beside each other, and beside a native model."""

from __future__ import annotations

import timeit

from benchmarks.load.penstock_server import start_penstock
from benchmarks.processes import CORES, cores_awake
from benchmarks.report import table
from benchmarks.workers import kills, neighbours
from benchmarks.workers.models import BUSY_MS, IDEMPOTENT, PLAIN, POLICY, write_models

_RATE = 200.0


def run(*, rounds: int, seconds: float, deaths: int) -> str:
    """The tables, as Markdown."""
    repository = write_models(_loops())
    # All are loaded, and may be loaded and unloaded.
    options = (
        "--model-control-mode=explicit",
        "--load-model=*",
        f"--host-policy={POLICY},cpu-cores={CORES[-1]}",
    )
    target = start_penstock(repository, name="workers", options=options, cores=CORES)
    with target.server:
        scaling = neighbours.scaling_row(target, rounds=rounds, seconds=2 * seconds)
        with cores_awake():
            beside = neighbours.neighbour_rows(target, rounds=rounds, seconds=2 * seconds)
        killed = [
            kills.row(target, PLAIN, kills=deaths, rate=_RATE, may_fail=1),
            kills.row(target, IDEMPOTENT, kills=deaths, rate=_RATE, may_fail=0),
        ]
    return "\n\n".join(
        (
            table(kills.HEADER, killed),
            table(neighbours.SCALING_HEADER, [scaling]),
            table(neighbours.NEIGHBOUR_HEADER, beside),
        )
    )


def _loops() -> int:
    """How far Python counts in BUSY_MS here."""
    count = 10_000
    took = min(timeit.repeat(lambda: sum(n * n for n in range(count)), number=1, repeat=20))
    return int(count * BUSY_MS / 1000 / took)
