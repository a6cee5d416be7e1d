# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Two HTTP door threads beside one, on the same two cores.

With four cores the load generator has two of its own. With two it shares them with the server, and
the requests a second say as much of it as of the server; what a request costs the server is then
the figure to look at: threads that hinder each other cost more CPU a request.
"""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Client, Sample, median, paired_rounds
from benchmarks.load.workloads import SMALL, http_workload
from benchmarks.processes import CORES
from benchmarks.report import number, table
from benchmarks.rivals.bench import MODELS

_THREADS = (1, 2)
_WORKLOADS = (
    http_workload("HTTP binary, 64 connections", "identity", SMALL, connections=64),
    http_workload("HTTP JSON, 64 connections", "identity", SMALL, binary=False, connections=64),
)


def run(*, rounds: int, seconds: float) -> str:
    """The table, as Markdown."""
    if len(CORES) < 2:
        raise RuntimeError("two door threads need two cores")
    server_cores = CORES[:2]
    client_cores = CORES[2:4] if len(CORES) >= 4 else server_cores
    client = Client(threads=2, cores=client_cores)
    rows = []
    with ExitStack() as stack:
        targets = []
        for count in _THREADS:
            options = (f"--http-thread-count={count}",)
            name = f"scaling-{count}"
            targets.append(start_penstock(MODELS, name=name, options=options, cores=server_cores))
            stack.enter_context(targets[-1].server)
        for workload in _WORKLOADS:
            samples = paired_rounds(
                targets, workload, rounds=rounds, seconds=seconds, client=client
            )
            medians = [median(samples[target.name]) for target in targets]
            for count, sample in zip(_THREADS, medians, strict=True):
                rows.append([f"{workload.name}, {count} door thread{'s' * (count > 1)}"])
                rows[-1] += _figures(sample, medians[0])
    apart = "their own" if client_cores != server_cores else "the same"
    header = ["the server on two cores", "requests/s", "of one thread's", "server CPU, us"]
    header += ["of one thread's", "client CPU, us", "server, cores busy", "client, cores busy"]
    return f"{table(header, rows)}\n\nThe load generator's two threads had {apart} two cores."


def _figures(sample: Sample, one: Sample) -> list[str]:
    return [
        number(sample.rate),
        f"{sample.rate / one.rate:.2f}",
        number(sample.cpu_us),
        f"{sample.cpu_us / one.cpu_us:.2f}",
        number(sample.client_cpu_us),
        f"{sample.cpu_us * sample.rate / 1e6:.2f}",
        f"{sample.client_cpu_us * sample.rate / 1e6:.2f}",
    ]
