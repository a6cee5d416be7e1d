# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Resident memory of the server over many requests, HTTP and gRPC at the same time.

Aim: at most half a MiB of growth over 5,000,000 requests after the warm-up.
"""

from __future__ import annotations

from benchmarks.load.client import LoadRun
from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Target
from benchmarks.load.workloads import SMALL, grpc_workload, http_workload
from benchmarks.report import table
from benchmarks.rivals.bench import MODELS

_WORKLOADS = (
    http_workload("memory, HTTP", "identity", SMALL),
    grpc_workload("memory, gRPC", "identity", SMALL),
)
_STEPS = 6
BAR_KIB = 512


def run(*, requests: int) -> str:
    """The table, as Markdown: growth after each sixth of `requests`, in KiB."""
    step = requests // _STEPS
    target = start_penstock(MODELS, name="memory")
    with target.server:
        _load(target, step)
        warm = target.server.rss_bytes()
        growth = []
        for _ in range(_STEPS):
            _load(target, step)
            growth.append(target.server.rss_bytes() - warm)
    header = ["KiB beyond the warm server", *(f"{step * (i + 1):,}" for i in range(_STEPS))]
    title = f"after so many requests ({warm / 2**20:.1f} MiB after {step:,} to warm up)"
    met = "yes" if max(growth) <= BAR_KIB * 1024 else "**no**"
    row = [title, *(f"{value // 1024:,}" for value in growth), str(BAR_KIB), met]
    return table([*header, "bar", "met"], [row])


def _load(target: Target, requests: int) -> None:
    """Half of the requests over HTTP, half over gRPC, at the same time."""
    runs = [
        LoadRun(workload, target.port(workload), requests=requests // len(_WORKLOADS))
        for workload in _WORKLOADS
    ]
    for run in runs:
        run.result()
