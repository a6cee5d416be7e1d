# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Server CPU a request, throughput and latency: Penstock, Triton, and the bare frameworks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.penstock_server import (
    data_planes,
    start_floors,
    start_penstock,
    start_socket_echo,
)
from benchmarks.load.rounds import Sample, Target, median, paired_rounds
from benchmarks.load.workloads import Workload
from benchmarks.rivals.onnx_models import write_onnx_models
from benchmarks.rivals.rows import COST_ROWS, LATENCY_ROWS, ONNX_ROWS
from benchmarks.rivals.tables import OURS, PYTHON, cost, latency, own, speed
from benchmarks.rivals.triton import start_triton

MODELS = Path(__file__).with_name("models")

#: What two builds of Penstock are compared by.
WORKLOADS = tuple(row.workload for row in COST_ROWS)


@dataclass(frozen=True)
class Servers:
    """All that are up; `missing`: why Triton is not among them."""

    all: Sequence[Target]
    ours: Sequence[Target]
    missing: str


def run(*, rounds: int, seconds: float) -> str:
    """The tables, as Markdown."""

    def measured(
        targets: Sequence[Target], workloads: Iterable[Workload]
    ) -> dict[str, Mapping[str, Sample]]:
        return {
            workload.name: {
                name: median(samples)
                for name, samples in paired_rounds(
                    targets, workload, rounds=rounds, seconds=seconds
                ).items()
            }
            for workload in workloads
        }

    with ExitStack() as stack:
        servers = _start(stack)
        costs = measured(servers.all, WORKLOADS)
        latencies = measured(_with_echo(servers, stack), (row.workload for row in LATENCY_ROWS))
        onnx = measured(servers.ours, (row.workload for row in ONNX_ROWS))
    parts = [cost(costs, COST_ROWS), own(onnx, ONNX_ROWS), latency(latencies, LATENCY_ROWS)]
    parts.append(speed({**costs, **onnx}, [target.name for target in servers.all]))
    if servers.missing:
        parts.append(f"Triton was not measured: {servers.missing}")
    return "\n\n".join(parts)


def _with_echo(servers: Servers, stack: ExitStack) -> list[Target]:
    echo = start_socket_echo()
    stack.enter_context(echo.server)
    return [*servers.all, echo]


def _start(stack: ExitStack) -> Servers:
    ours = []
    onnx_models = write_onnx_models()
    # Without a native data plane there are only the Python frontends.
    for name, plane in zip((OURS, PYTHON), data_planes(), strict=False):
        ours.append(start_penstock(MODELS, onnx_models, name=name, data_plane=plane))
        stack.enter_context(ours[-1].server)
    everyone, missing = list(ours), ""
    try:
        everyone.append(start_triton(MODELS))
        stack.enter_context(everyone[-1].server)
    except (RuntimeError, OSError) as error:
        missing = str(error).partition("\n")[0]
        print(f"Triton cannot be measured: {error}")
    everyone.append(start_floors())
    stack.enter_context(everyone[-1].server)
    return Servers(everyone, ours, missing)
