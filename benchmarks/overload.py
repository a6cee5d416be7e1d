# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One model is asked for many times what it can do, and another one beside it for little.

Aims: of the peak 95, 90 and 80 % are answered at 2, 5 and 10 times as much; 99 of 100 refusals come
within 10 ms; resident memory stays; the other model loses nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.load.client import Load, LoadRun
from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Target
from benchmarks.load.workloads import SMALL, Workload, grpc_workload, http_workload
from benchmarks.processes import WORK
from benchmarks.report import number, table

#: How many times the peak, and the share of the peak that is to be answered.
GOODPUT_BARS = {2: 0.95, 5: 0.90, 10: 0.80}
REFUSAL_BAR_MS = 10
RSS_BAR_KIB = 512
MODEL_MS = 10
DEADLINE_MS = 100
_NEIGHBOUR_SHARE = 0.2
#: More than can be in flight: those that wait, and as many as come while a refusal is on its way.
_CONNECTIONS = 128

_CONFIG = """
name: "{name}" backend: "identity" max_batch_size: 1
input {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ {values} ] }}
output {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ {values} ] }}
parameters {{ key: "execute_delay_ms" value: {{ string_value: "{ms}" }} }}
dynamic_batching {{ default_queue_policy {{ max_queue_size: {queue} }} }}
"""
#: A bound that is met before any deadline; none but the server's own.
_QUEUES = {"bounded": 16, "deadline": 0, "neighbour": 16}

_HTTP = http_workload("overload, HTTP", "bounded", SMALL, connections=_CONNECTIONS)
_GRPC = grpc_workload("overload, gRPC", "bounded", SMALL, connections=8, streams=16)
_LATE = http_workload("overload, deadlines", "deadline", SMALL, connections=_CONNECTIONS)
_NEIGHBOUR = http_workload("overload, neighbour", "neighbour", SMALL)

WORKLOADS = {
    "queue of 16, HTTP": _HTTP,
    "queue of 16, gRPC": _GRPC,
    f"{DEADLINE_MS} ms each, HTTP": replace(
        _LATE, headers=(*_LATE.headers, ("Penstock-Deadline-Ms", str(DEADLINE_MS)))
    ),
}


@dataclass(frozen=True)
class Overload:
    """One run: what became of the overload and of the neighbour's requests."""

    asked: Load
    neighbour: Load
    rss_growth: int


def run(*, seconds: float) -> str:
    """The table, as Markdown."""
    header = [f"a model of {MODEL_MS} ms", "asked, of the peak", "answered/s", "goodput", "bar"]
    header += ["p99, ms", "refused", "refused p99, ms", "neighbour: answered", "lost", "p99, ms"]
    target = start_penstock(_repository(), name="overload")
    with target.server:
        rows = list(_rows(target, seconds))
    return table([*header, "RSS, KiB", f"met ({REFUSAL_BAR_MS} ms, 0, {RSS_BAR_KIB} KiB)"], rows)


def _repository() -> Path:
    root = WORK / "overload-models"
    shutil.rmtree(root, ignore_errors=True)
    for name, queue in _QUEUES.items():
        (root / name / "1").mkdir(parents=True)
        config = _CONFIG.format(name=name, values=SMALL, ms=MODEL_MS, queue=queue)
        (root / name / "config.pbtxt").write_text(config)
    return root


def _rows(target: Target, seconds: float) -> Iterator[list[str]]:
    # Four at a time: there is always one that waits.
    closed = replace(_HTTP, connections=4)
    peaks = (LoadRun(closed, target.http_port, seconds=seconds / 3).result() for _ in range(3))
    peak = max(run.rate for run in peaks)
    for workload in WORKLOADS.values():  # buffers and slots that an overload needs
        _overload(target, workload, rate=max(GOODPUT_BARS) * peak, seconds=1.0)
    for name, workload in WORKLOADS.items():
        for times, bar in GOODPUT_BARS.items():
            result = _overload(target, workload, rate=times * peak, seconds=seconds)
            yield [name, *_row(result, peak, times, bar)]


def _overload(target: Target, workload: Workload, *, rate: float, seconds: float) -> Overload:
    before = target.server.rss_bytes()
    asked = LoadRun(workload, target.port(workload), seconds=seconds, rate=rate, arrivals="poisson")
    calm = _NEIGHBOUR_SHARE * 1000 / MODEL_MS
    neighbour = LoadRun(_NEIGHBOUR, target.http_port, seconds=seconds, rate=calm)
    outcome, others = asked.outcome(), neighbour.outcome()
    return Overload(outcome, others, target.server.rss_bytes() - before)


def _row(result: Overload, peak: float, times: int, bar: float) -> list[str]:
    asked, neighbour = result.asked, result.neighbour
    goodput, refused_ms = asked.rate / peak, asked.refused_p99_us / 1000
    lost = neighbour.failed + neighbour.unsent
    met = goodput >= bar and refused_ms <= REFUSAL_BAR_MS and not lost
    met = met and result.rss_growth <= RSS_BAR_KIB * 1024
    if asked.failed != asked.refused or asked.unsent > 0.01 * asked.refused:
        raise RuntimeError(
            f"of {asked.failed} failed requests {asked.refused} were refused; {asked.unsent} unsent"
        )
    return [
        f"{times} x",
        number(asked.rate),
        f"{goodput:.0%}",
        f"{bar:.0%}",
        f"{asked.p99_us / 1000:.1f}",
        f"{asked.refused:,}",
        f"{refused_ms:.2f}",
        f"{neighbour.requests:,}",
        f"{lost}",
        f"{neighbour.p99_us / 1000:.1f}",
        f"{result.rss_growth // 1024:,}",
        "yes" if met else "**no**",
    ]
