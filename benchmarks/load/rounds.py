# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Paired rounds: every server gets the same load in turn, so that drift meets all of them alike.

Cost = run time of the server's whole process tree (schedstat of every thread) during a round, over
the requests completed in it. The server has one core, the client another.
"""

from __future__ import annotations

import json
import statistics
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.client import LoadRun
from benchmarks.load.workloads import Workload
from benchmarks.processes import Server

_WARM_UP_S = 1.0


@dataclass(frozen=True)
class Target:
    """A running server; `counts` when it has v2 statistics to count answers by."""

    name: str
    server: Server
    http_port: int
    grpc_port: int
    counts: bool = True

    def port(self, workload: Workload) -> int:
        """Where this kind of request goes."""
        return self.http_port if workload.protocol == "http" else self.grpc_port

    def successes(self, model: str) -> int:
        """The model's answered requests so far; a gRPC error is a 200 for the client's count."""
        url = f"http://127.0.0.1:{self.http_port}/v2/models/{model}/stats"
        with urllib.request.urlopen(url, timeout=10) as reply:
            stats = json.load(reply)["model_stats"][0]["inference_stats"]
        return int(stats["success"]["count"])


@dataclass(frozen=True)
class Sample:
    """One round, or the median of several."""

    cpu_us: float
    rate: float
    p50_us: float
    p99_us: float


def measure(target: Target, workload: Workload, seconds: float) -> Sample:
    """One round. Raises RuntimeError when a request was not answered with success."""
    counted = target.successes(workload.model) if target.counts else 0
    before_ns = target.server.cpu_ns()
    load = LoadRun(workload, target.port(workload), seconds=seconds).result()
    spent_ns = target.server.cpu_ns() - before_ns
    if target.counts and target.successes(workload.model) - counted < load.requests:
        raise RuntimeError(f"{target.name}: {workload.name}: answers were errors")
    return Sample(spent_ns / 1000 / load.requests, load.rate, load.p50_us, load.p99_us)


def paired_rounds(
    targets: Sequence[Target], workload: Workload, *, rounds: int, seconds: float
) -> dict[str, list[Sample]]:
    """`rounds` samples of every target, taken in turn after a check and a warm-up of each."""
    for target in targets:
        workload.check(target.port(workload))
        measure(target, workload, _WARM_UP_S)
    samples: dict[str, list[Sample]] = {target.name: [] for target in targets}
    for turn in range(rounds):
        # Every other round backwards: nobody is always the one after the idle pause.
        for target in targets if turn % 2 == 0 else reversed(targets):
            samples[target.name].append(measure(target, workload, seconds))
    return samples


def median(samples: Sequence[Sample]) -> Sample:
    """The median of each figure by itself."""
    return Sample(
        *(
            statistics.median(getattr(sample, name) for sample in samples)
            for name in ("cpu_us", "rate", "p50_us", "p99_us")
        )
    )
