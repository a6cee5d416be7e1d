# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Versions swapped under constant traffic, at half of what the server can do, or at what the client
can ask for from a core of its own.

Aims: no request fails; what is asked after a load call returned is never answered by the old
version; the 99th percentile during the swaps is at most 1.5 times the steady one.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc
from penstock._proto import inference_pb2

from benchmarks.lifecycle.control import load, write_identity
from benchmarks.load.client import LoadRun
from benchmarks.load.rounds import Target
from benchmarks.load.workloads import SMALL, Workload, grpc_workload, http_workload
from benchmarks.report import number, table

BAR = 1.5
#: At more, the client's own core would be busy for more than half of the time, and would be what is
#: measured.
_MOST_PER_S = 20_000.0
_SWAPS_A_ROUND = 10
_KEPT = 3
MODEL = "swapped"
WORKLOADS = (
    http_workload("HTTP", MODEL, SMALL, connections=8, echo=False),
    grpc_workload("gRPC", MODEL, SMALL, connections=2, streams=4),
)


@dataclass(frozen=True)
class Swaps:
    """What one server did under one protocol."""

    rate: float
    failed: int
    stale: int
    #: 99th percentiles, us, of rounds without swaps and of those with some, in turns
    steady_us: list[float]
    during_us: list[float]
    mean_ms: float

    @property
    def ratio(self) -> float:
        """The median of the rounds': what else happens on the machine meets a few of them."""
        return median(b / a for a, b in zip(self.steady_us, self.during_us, strict=True))


def measure(
    target: Target, root: Path, workload: Workload, *, swaps: int, pause_s: float, first: int
) -> Swaps:
    """`root`: the server's repository, whose newest version is `first`."""
    port = target.port(workload)
    capacity = LoadRun(workload, port, seconds=max(1.0, pause_s * 10)).result()
    rate = min(capacity.rate / 2, _MOST_PER_S)
    seconds = _SWAPS_A_ROUND * pause_s
    steady, during, stale, failed, took_s = [], [], 0, 0, 0.0
    for version in range(first + 1, first + swaps + 1, _SWAPS_A_ROUND):
        quiet = LoadRun(workload, port, seconds=seconds, rate=rate).outcome()
        running, began = LoadRun(workload, port, seconds=seconds, rate=rate), time.monotonic()
        for number_ in range(_SWAPS_A_ROUND):
            took_s += _swap(target, root, version + number_)
            stale += _answering(target, workload) != version + number_
            time.sleep(max(0.0, began + (number_ + 1) * pause_s - time.monotonic()))
        swapped = running.outcome()
        failed += quiet.failed + swapped.failed
        steady.append(quiet.p99_us)
        during.append(swapped.p99_us)
    return Swaps(rate, failed, stale, steady, during, 1000 * took_s / swaps)


def _swap(target: Target, root: Path, version: int) -> float:
    """Loads a new version, and takes away one that nobody needs any more. The load's seconds."""
    write_identity(root, MODEL, version)
    began = time.monotonic()
    load(target, MODEL)
    took_s = time.monotonic() - began
    shutil.rmtree(root / MODEL / str(version - _KEPT), ignore_errors=True)
    return took_s


def rows(name: str, results: dict[str, Swaps]) -> list[list[str]]:
    """One line for each protocol."""
    found = []
    for protocol, swaps in results.items():
        met = not swaps.failed and not swaps.stale and swaps.ratio <= BAR
        found.append(
            [
                f"{name}, {protocol}",
                number(swaps.rate),
                str(swaps.failed),
                str(swaps.stale),
                number(median(swaps.steady_us)),
                number(median(swaps.during_us)),
                f"{swaps.ratio:.2f}",
                number(swaps.mean_ms),
                "yes" if met else "**no**",
            ]
        )
    return found


def render(lines: list[list[str]], swaps: int) -> str:
    header = [
        f"{swaps} swaps under traffic",
        "requests/s",
        "failed",
        "old version answered",
        "steady p99, us",
        "p99 during, us",
        "ratio",
        "ms a load",
        f"met (0, 0, {BAR})",
    ]
    return table(header, lines)


def _answering(target: Target, workload: Workload) -> int:
    """The version that answers a request now."""
    if workload.protocol == "http":
        reply = workload.check(target.http_port)
        return int(json.loads(reply[: reply.rindex(b"}") + 1])["model_version"])
    with grpc.insecure_channel(f"127.0.0.1:{target.grpc_port}") as channel:
        raw = channel.unary_unary(workload.path)(workload.body, timeout=30, wait_for_ready=True)
    return int(inference_pb2.ModelInferResponse.FromString(raw).model_version)
