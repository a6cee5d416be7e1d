# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Several frameworks in one server process: each alone, then all of them under load together.

Each model has one instance and one thread of computing; all share the server's core. A core that is
shared without loss gives relative throughputs (of each model alone) that add up to 1, and spends on
the requests what it spends on them alone.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.frameworks.images import image_workload
from benchmarks.frameworks.resnet_files import installed, write_model
from benchmarks.load.client import LoadRun
from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Client, Sample, Target, measure
from benchmarks.load.workloads import Workload
from benchmarks.processes import WORK
from benchmarks.report import number, table

_FORMATS = ("onnx", "torchscript", "saved_model", "openvino")
_CONNECTIONS = 8
_BATCH = 4

#: About as much work an image as the network is, by numpy, which releases the GIL for it.
_PYTHON_MODEL = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        random = np.random.default_rng(0)
        self.hidden = random.standard_normal((1024, 1024), np.float32) / 32
        self.last = random.standard_normal((1024, 1000), np.float32) / 32

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        x = x.reshape(-1, 1024)
        for _ in range(16):
            x = np.maximum(x @ self.hidden, 0)
        y = (x @ self.last).reshape(-1, 12, 1000).mean(axis=1)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", y)])
"""
_PYTHON_CONFIG = """
backend: "python" max_batch_size: 4
input { name: "INPUT0" data_type: TYPE_FP32 dims: [3, 64, 64] }
output { name: "OUTPUT0" data_type: TYPE_FP32 dims: 1000 }
"""


def run(*, rounds: int, seconds: float) -> str:
    """A row for each model, and one of their sums."""
    repository = WORK / "framework_together"
    shutil.rmtree(repository, ignore_errors=True)
    names = [name for name in _FORMATS if name in installed()]
    for name in names:
        write_model(repository, name, max_batch_size=_BATCH)
    names.append("python")
    _write_python(repository / "python")
    workloads = [image_workload(name, _CONNECTIONS) for name in names]
    target = start_penstock(repository, name="together")
    with target.server:
        for workload in workloads:
            workload.check(target.port(workload))  # the first call may take its time
            measure(target, workload, seconds, None, Client())
        alone: list[list[Sample]] = [[] for _ in names]
        mixed: list[_Mixed] = []
        for _ in range(rounds):
            for samples, workload in zip(alone, workloads, strict=True):
                samples.append(measure(target, workload, seconds, None, Client()))
            mixed.append(_all_at_once(target, workloads, 2 * seconds))
        threads = len([*Path(f"/proc/{target.server.pids()[0]}/task").iterdir()])
    return _report(names, alone, mixed, threads)


class _Mixed:
    """A round of all models: requests of each, and what they cost the server together."""

    def __init__(self, rates: Sequence[float], requests: Sequence[int], cpu_us: float) -> None:
        self.rates = rates
        self.requests = requests
        self.cpu_us = cpu_us


def _all_at_once(target: Target, workloads: Sequence[Workload], seconds: float) -> _Mixed:
    before_ns = target.server.cpu_ns()
    runs = [LoadRun(each, target.port(each), seconds=seconds) for each in workloads]
    loads = [run.result() for run in runs]
    cpu_us = (target.server.cpu_ns() - before_ns) / 1000
    return _Mixed([load.rate for load in loads], [load.requests for load in loads], cpu_us)


def _report(
    names: Sequence[str],
    alone: Sequence[Sequence[Sample]],
    mixed: Sequence[_Mixed],
    threads: int,
) -> str:
    rows, sums, costs = [], [], []
    for turn, each in enumerate(mixed):
        samples = [model[turn] for model in alone]
        sums.append(sum(r / s.rate for r, s in zip(each.rates, samples, strict=True)))
        asked = sum(n * s.cpu_us for n, s in zip(each.requests, samples, strict=True))
        costs.append(each.cpu_us / asked)
    for place, name in enumerate(names):
        apart = statistics.median(sample.rate for sample in alone[place])
        together = statistics.median(each.rates[place] for each in mixed)
        shares = [m.rates[place] / s.rate for m, s in zip(mixed, alone[place], strict=True)]
        share = f"{statistics.median(shares):.2f}"
        rows.append((name, number(apart), number(together), share))
    rows.append(("sum", "", "", f"{statistics.median(sums):.2f}"))
    header = (f"{len(names)} frameworks, one core", "alone, images/s", "together", "of alone")
    return (
        f"{table(header, rows)}\n\nTogether the requests cost {statistics.median(costs):.2f} of "
        f"the CPU time that they cost alone; the server had {threads} threads."
    )


def _write_python(folder: Path) -> None:
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(_PYTHON_MODEL)
    (folder / "config.pbtxt").write_text(_PYTHON_CONFIG)
