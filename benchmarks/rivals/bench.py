# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Server CPU a request, throughput and latency: Penstock, Triton, and the bare frameworks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load.penstock_server import data_planes, start_floors, start_penstock
from benchmarks.load.rounds import Sample, Target, median, paired_rounds
from benchmarks.load.workloads import IMAGE, SMALL, grpc_workload, http_workload
from benchmarks.report import number, table
from benchmarks.rivals.triton import start_triton

MODELS = Path(__file__).with_name("models")

#: Names in the tables' heads.
OURS, PYTHON, TRITON, BARE = "Penstock", "Penstock, Python frontends", "Triton", "bare echo"

WORKLOADS = (
    http_workload("identity, HTTP binary", "identity", SMALL),
    http_workload("identity, HTTP JSON", "identity", SMALL, binary=False),
    grpc_workload("identity, gRPC", "identity", SMALL),
    http_workload("Python model, HTTP binary", "python_identity", SMALL),
    grpc_workload("Python model, gRPC", "python_identity", SMALL),
    http_workload("identity, HTTP 600 KB", "identity", IMAGE, connections=4),
    grpc_workload("identity, gRPC 600 KB", "identity", IMAGE, streams=1),
)


def run(*, rounds: int, seconds: float) -> str:
    """Both tables, as Markdown."""
    with ExitStack() as stack:
        targets, missing = _start(stack)
        results = {
            workload.name: {
                name: median(samples)
                for name, samples in paired_rounds(
                    targets, workload, rounds=rounds, seconds=seconds
                ).items()
            }
            for workload in WORKLOADS
        }
    parts = [_cost_table(results), _speed_table(results)]
    if missing:
        parts.append(f"Triton was not measured: {missing}")
    return "\n\n".join(parts)


def _start(stack: ExitStack) -> tuple[list[Target], str]:
    """The servers, and why Triton is not among them."""
    targets = []
    # Without a native data plane there are only the Python frontends.
    for name, plane in zip((OURS, PYTHON), data_planes(), strict=False):
        targets.append(start_penstock(MODELS, name=name, data_plane=plane))
        stack.enter_context(targets[-1].server)
    missing = ""
    try:
        targets.append(start_triton(MODELS))
        stack.enter_context(targets[-1].server)
    except (RuntimeError, OSError) as error:
        missing = str(error).partition("\n")[0]
        print(f"Triton cannot be measured: {error}")
    targets.append(start_floors())
    stack.enter_context(targets[-1].server)
    return targets, missing


Results = Mapping[str, Mapping[str, Sample]]


def _cost_table(results: Results) -> str:
    servers = list(next(iter(results.values())))
    header = ["server CPU, us a request", *servers]
    if TRITON in servers:
        header.append(f"{OURS} / {TRITON}")
    header.append("Python frontends - bare")
    rows = []
    for name, by_server in results.items():
        cost = {server: sample.cpu_us for server, sample in by_server.items()}
        row = [name, *(number(cost[server]) for server in servers)]
        if TRITON in servers:
            row.append(f"{cost[OURS] / cost[TRITON]:.2f}")
        beyond = cost.get(PYTHON, cost[OURS]) - cost[BARE]
        rows.append([*row, f"{beyond:+.0f}"])
    return table(header, rows)


def _speed_table(results: Results) -> str:
    servers = list(next(iter(results.values())))
    rows = []
    for name, by_server in results.items():
        row = [name]
        for server in servers:
            sample = by_server[server]
            p50_ms, p99_ms = sample.p50_us / 1000, sample.p99_us / 1000
            row.append(f"{number(sample.rate)} ({p50_ms:.2f}, {p99_ms:.2f})")
        rows.append(row)
    return table(["requests/s (p50, p99 in ms), one server core", *servers], rows)
