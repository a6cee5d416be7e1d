# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Versions swapped under constant traffic, at half of what the server can do.

Aims: no request fails; what is asked after a load call returned is never answered by the old
version; the 99th percentile during the swaps is at most 1.5 times the steady one.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
from penstock._proto import inference_pb2

from benchmarks.lifecycle.control import load, write_identity
from benchmarks.load.client import Load, LoadRun
from benchmarks.load.rounds import Target
from benchmarks.load.workloads import SMALL, Workload, grpc_workload, http_workload
from benchmarks.report import number, table

BAR = 1.5
MODEL = "swapped"
WORKLOADS = (
    http_workload("HTTP", MODEL, SMALL, connections=8, echo=False),
    grpc_workload("gRPC", MODEL, SMALL, connections=2, streams=4),
)


@dataclass(frozen=True)
class Swaps:
    """What one server did under one protocol."""

    steady: Load
    during: Load
    stale: int
    mean_ms: float


def measure(
    target: Target, root: Path, workload: Workload, *, swaps: int, pause_s: float, first: int
) -> Swaps:
    """`root`: the server's repository, whose newest version is `first`."""
    capacity = LoadRun(workload, target.port(workload), seconds=max(1.0, pause_s * 10)).result()
    rate, seconds = capacity.rate / 2, swaps * pause_s
    steady = LoadRun(workload, target.port(workload), seconds=seconds, rate=rate).outcome()
    running = LoadRun(workload, target.port(workload), seconds=seconds, rate=rate)
    stale, took_s, began = 0, 0.0, time.monotonic()
    for number_ in range(swaps):
        version = first + number_ + 1
        write_identity(root, MODEL, version)
        started = time.monotonic()
        load(target, MODEL)
        took_s += time.monotonic() - started
        stale += _answering(target, workload) != version
        time.sleep(max(0.0, began + (number_ + 1) * pause_s - time.monotonic()))
    return Swaps(steady, running.outcome(), stale, 1000 * took_s / swaps)


def rows(name: str, results: dict[str, Swaps]) -> list[list[str]]:
    """One line for each protocol."""
    found = []
    for protocol, swaps in results.items():
        ratio = swaps.during.p99_us / swaps.steady.p99_us
        met = not swaps.during.failed and not swaps.stale and ratio <= BAR
        found.append(
            [
                f"{name}, {protocol}",
                number(swaps.during.rate),
                str(swaps.during.failed),
                str(swaps.stale),
                number(swaps.steady.p99_us),
                number(swaps.during.p99_us),
                f"{ratio:.2f}",
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
