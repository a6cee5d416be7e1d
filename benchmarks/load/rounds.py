# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Paired rounds: every server gets the same load in turn, so that drift meets all of them alike.

Cost = run time of the server's whole process tree (schedstat of every thread) during a round, over
the requests completed in it. The server has one core, the client another.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.client import LoadRun
from benchmarks.load.workloads import Workload
from benchmarks.processes import CLIENT_CORE, Server

_WARM_UP_S = 1.0


@dataclass(frozen=True)
class Target:
    """A running server."""

    name: str
    server: Server
    http_port: int
    grpc_port: int

    def port(self, workload: Workload) -> int:
        """Where this kind of request goes."""
        return self.http_port if workload.protocol == "http" else self.grpc_port


@dataclass(frozen=True)
class Sample:
    """One round, or the median of several."""

    cpu_us: float
    rate: float
    p50_us: float
    p99_us: float
    client_cpu_us: float


@dataclass(frozen=True)
class Client:
    """The load generator's threads and cores."""

    threads: int = 1
    cores: Sequence[int] = (CLIENT_CORE,)


def measure(
    target: Target, workload: Workload, seconds: float, expected: bytes | None, client: Client
) -> Sample:
    """One round. Raises RuntimeError when an answer was not the expected one, bit by bit.

    Without one, any success will do: in a batch, a network may answer with other last bits.
    """
    before_ns = target.server.cpu_ns()
    load = LoadRun(
        workload,
        target.port(workload),
        seconds=seconds,
        expected=expected,
        threads=client.threads,
        cores=client.cores,
    ).result()
    spent_us = (target.server.cpu_ns() - before_ns) / 1000
    return Sample(spent_us / load.requests, load.rate, load.p50_us, load.p99_us, load.client_cpu_us)


def paired_rounds(
    targets: Sequence[Target],
    workload: Workload,
    *,
    rounds: int,
    seconds: float,
    client: Client | None = None,
) -> dict[str, list[Sample]]:
    """`rounds` samples of every target, taken in turn after a check and a warm-up of each."""
    client = client or Client()
    expected = {target.name: workload.check(target.port(workload)) for target in targets}
    for target in targets:
        measure(target, workload, min(_WARM_UP_S, seconds), expected[target.name], client)
    samples: dict[str, list[Sample]] = {target.name: [] for target in targets}
    for turn in range(rounds):
        # Every other round backwards: nobody is always the one after the idle pause.
        for target in targets if turn % 2 == 0 else reversed(targets):
            sample = measure(target, workload, seconds, expected[target.name], client)
            samples[target.name].append(sample)
    return samples


def median(samples: Sequence[Sample]) -> Sample:
    """The median of each figure by itself."""
    return Sample(
        *(
            statistics.median(getattr(sample, name) for sample in samples)
            for name in ("cpu_us", "rate", "p50_us", "p99_us", "client_cpu_us")
        )
    )
