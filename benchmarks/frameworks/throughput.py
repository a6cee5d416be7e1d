# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Images a second with dynamic batching, beside a bare loop at its best batch size.

ResNet-18. The loop has its inputs in memory and does nothing but call the framework; the server
gets each image in a request of its own. Both have the same core and one thread of computing. They
take turns, so that what else the machine does meets both; on a busy machine the CPU time is the
column to look at. In the open loop images arrive at random, a fifth more than the bare loop can do.
"""

from __future__ import annotations

import json
import shutil
import statistics
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.frameworks.bare import BareLoop, Calls
from benchmarks.frameworks.images import SHAPE, image_workload
from benchmarks.frameworks.resnet_files import installed, write_config, write_model
from benchmarks.load.client import LoadRun
from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Client, Sample, Target, measure
from benchmarks.processes import WORK
from benchmarks.report import number, table

#: format of the network -> the module whose bare call runs it
_MODULES = {
    "onnx": "benchmarks.frameworks.onnx_model",
    "torchscript": "benchmarks.frameworks.pytorch_model",
    "saved_model": "benchmarks.frameworks.tensorflow_model",
}
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
#: of the best size: enough to fill the next batch while one runs
_BATCHES_IN_FLIGHT = 2
#: what arrives in the open loop, of the bare loop's best, and how many can wait for an answer
_ARRIVING = 1.2
_WAITING = 128


@dataclass(frozen=True)
class _Rounds:
    """Each round of the bare loop, and of the server: both loops; `filled`: images a batch."""

    bare: list[Calls]
    served: list[Sample]
    opened: list[float]
    filled: float


def run(*, rounds: int, seconds: float) -> str:
    """A row for each format that is installed."""
    rows: list[tuple[str, ...]] = [
        _row(name, rounds, seconds) for name in _MODULES if name in installed()
    ]
    header = ["ResNet-18, one core", "best batch", "bare loop, images/s", "server, images/s"]
    header += [
        "images a batch",
        "of the loop",
        "open loop",
        "bare, CPU us an image",
        "server",
        "of it",
    ]
    return table([*header, "of it"], rows)


def _row(name: str, rounds: int, seconds: float) -> tuple[str, ...]:
    repository = WORK / "framework_throughput" / name
    shutil.rmtree(repository, ignore_errors=True)
    path = write_model(repository, name, max_batch_size=1)
    with BareLoop(_MODULES[name], path, SHAPE) as loop:
        size = _best_size(loop, seconds)
        write_config(repository, name, max_batch_size=size)
        seen = _measure(repository, name, loop, size, rounds, seconds)
    pairs = list(zip(seen.bare, seen.served, seen.opened, strict=True))
    reached = statistics.median(ours.rate / theirs.rows_per_s for theirs, ours, _ in pairs)
    opened = statistics.median(rate / theirs.rows_per_s for theirs, _, rate in pairs)
    cheap = statistics.median(theirs.row_cpu_us / ours.cpu_us for theirs, ours, _ in pairs)
    return (
        name,
        str(size),
        number(statistics.median(each.rows_per_s for each in seen.bare)),
        number(statistics.median(each.rate for each in seen.served)),
        number(seen.filled),
        f"{reached:.1%}",
        f"{opened:.1%}",
        number(statistics.median(each.row_cpu_us for each in seen.bare)),
        number(statistics.median(each.cpu_us for each in seen.served)),
        f"{cheap:.1%}",
    )


def _best_size(loop: BareLoop, seconds: float) -> int:
    """The batch size with the cheapest image: that is the fastest one on a core of its own."""
    costs: dict[int, list[float]] = {size: [] for size in _BATCH_SIZES}
    for _ in range(3):
        for size, seen in costs.items():
            seen.append(loop.run(seconds / 2, size).row_cpu_us)
    return min(costs, key=lambda size: statistics.median(costs[size]))


def _measure(
    repository: Path, name: str, loop: BareLoop, size: int, rounds: int, seconds: float
) -> _Rounds:
    workload = image_workload(name, _BATCHES_IN_FLIGHT * size)
    arriving = replace(workload, connections=_WAITING)
    seen = _Rounds([], [], [], 0.0)
    target = start_penstock(repository, name=f"throughput-{name}")
    with target.server:
        port = target.port(workload)
        workload.check(port)  # the first call may take its time
        measure(target, workload, 2 * seconds, None, Client())
        before = _executed(target, name)
        for _ in range(rounds):
            seen.bare.append(loop.run(seconds, size))
            seen.served.append(measure(target, workload, seconds, None, Client()))
            rate = _ARRIVING * seen.bare[-1].rows_per_s
            run = LoadRun(arriving, port, seconds=2 * seconds, rate=rate, arrivals="poisson")
            seen.opened.append(run.outcome().rate)
        images, batches = (a - b for a, b in zip(_executed(target, name), before, strict=True))
    return replace(seen, filled=images / batches)


def _executed(target: Target, name: str) -> tuple[int, int]:
    """Images and batches so far."""
    url = f"http://127.0.0.1:{target.http_port}/v2/models/{name}/stats"
    with urllib.request.urlopen(url) as reply:
        (model,) = json.load(reply)["model_stats"]
    return model["inference_count"], model["execution_count"]
