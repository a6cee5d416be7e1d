# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the schedulers cost beside Triton's: batches, ensembles, sequences, decoupled models."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Target, median, paired_rounds
from benchmarks.load.workloads import (
    SMALL,
    http_workload,
    sequence_workload,
    stream_workload,
)
from benchmarks.rivals.bench import MODELS
from benchmarks.rivals.rows import BATCHED, RivalRow
from benchmarks.rivals.tables import OURS, schedulers, speed
from benchmarks.rivals.triton import start_triton

SCHEDULER_MODELS = Path(__file__).with_name("scheduler_models")
#: Of repeat/1/model.py.
RESPONSES = 100

ROWS = (
    *(
        RivalRow(
            http_workload(f"{name}, HTTP, {connections}", model, SMALL, connections=connections),
            0.25,
        )
        for name, model in (
            ("identity, dynamic batching", "batched_identity"),
            ("Python model, dynamic batching", BATCHED),
        )
        for connections in (16, 64)
    ),
    RivalRow(http_workload("ensemble of three identities, HTTP, 16", "ensemble", SMALL), 0.25),
    RivalRow(
        http_workload("ensemble of three Python models, HTTP, 16", "python_ensemble", SMALL), 0.25
    ),
    RivalRow(sequence_workload("32 sequences, oldest, identity, gRPC", "sequences", SMALL), 0.30),
    RivalRow(
        sequence_workload("32 sequences, oldest, Python model, gRPC", "python_sequences", SMALL),
        0.30,
    ),
    RivalRow(
        stream_workload(
            "decoupled Python model, a response of 100, gRPC", "repeat", SMALL, replies=RESPONSES
        ),
        0.25,
    ),
    RivalRow(
        http_workload("Python model that calls one three times, HTTP, 16", "chain", SMALL), 0.30
    ),
)


def run(*, rounds: int, seconds: float) -> str:
    """The tables, as Markdown."""
    with ExitStack() as stack:
        servers, missing = _start(stack)
        results = {
            row.workload.name: {
                name: median(samples)
                for name, samples in paired_rounds(
                    servers, row.workload, rounds=rounds, seconds=seconds
                ).items()
            }
            for row in ROWS
        }
    parts = [schedulers(results, ROWS), speed(results, [target.name for target in servers])]
    if missing:
        parts.append(f"Triton was not measured: {missing}")
    return "\n\n".join(parts)


def _start(stack: ExitStack) -> tuple[list[Target], str]:
    servers, missing = [start_penstock(MODELS, SCHEDULER_MODELS, name=OURS)], ""
    stack.enter_context(servers[0].server)
    try:
        servers.append(start_triton(MODELS, SCHEDULER_MODELS))
        stack.enter_context(servers[-1].server)
    except (RuntimeError, OSError) as error:
        missing = str(error).partition("\n")[0]
        print(f"Triton cannot be measured: {error}")
    return servers, missing
