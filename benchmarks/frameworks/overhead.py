# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The server's CPU time a request beside that of the framework's own call, round by round.

Unbatched requests on 16 connections. Both run on the same core, one after the other, so that what
else the machine does meets them alike. A framework is its module in this folder: `PACKAGE`,
`CONFIG`, `FILENAME`, `write(path)` and `bare_call(path, argument)`; one that is not installed is
left out.
"""

from __future__ import annotations

import importlib
import shutil
import statistics
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.frameworks.bare import BareLoop, write_model
from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Client, measure
from benchmarks.load.workloads import SMALL, Workload, grpc_workload, http_workload
from benchmarks.processes import WORK
from benchmarks.report import number, table

#: name of the model -> module
FRAMEWORKS = {
    "onnx": "benchmarks.frameworks.onnx_model",
    "pytorch": "benchmarks.frameworks.pytorch_model",
    "tensorflow": "benchmarks.frameworks.tensorflow_model",
    "openvino": "benchmarks.frameworks.openvino_model",
    "jax": "benchmarks.frameworks.jax_model",
}

#: A framework may compile after a few calls, and then answer with other last bits.
_FIRST_CALLS = 5


def run(*, rounds: int, seconds: float) -> str:
    """A row for each framework that is installed. Raises RuntimeError when none is."""
    rows = [
        _row(name, module, rounds, seconds)
        for name, module in FRAMEWORKS.items()
        if find_spec(importlib.import_module(module).PACKAGE) is not None
    ]
    if not rows:
        raise RuntimeError("no framework is installed: make frameworks")
    header = ("unbatched, us of CPU", "bare call", "HTTP", "beyond", "gRPC", "beyond")
    return table(header, rows)


def _row(name: str, module: str, rounds: int, seconds: float) -> tuple[str, ...]:
    repository = WORK / "framework_models" / name
    path = _write(repository, name, module)
    workloads: list[Workload] = [
        http_workload(f"{name} http", name, SMALL, echo=False),
        replace(grpc_workload(f"{name} grpc", name, SMALL, connections=16, streams=1), echo=False),
    ]
    bare: list[float] = []
    served: dict[str, list[float]] = {"http": [], "grpc": []}
    expected: dict[str, bytes] = {}
    target = start_penstock(repository, name=name)
    with target.server, BareLoop(module, path, (SMALL,)) as loop:
        for each in workloads * _FIRST_CALLS:
            expected[each.protocol] = each.check(target.port(each))
        for turn in range(rounds + 1):
            cost = loop.run(seconds).cpu_us
            for each in workloads:
                answer = expected[each.protocol]
                sample = measure(target, each, seconds, answer, Client())
                if turn:  # the first is the warm-up
                    served[each.protocol].append(sample.cpu_us)
            if turn:
                bare.append(cost)
    figures = [statistics.median(bare)]
    for costs in served.values():
        beyond = [cost - call for cost, call in zip(costs, bare, strict=True)]
        figures += [statistics.median(costs), statistics.median(beyond)]
    return (name, *map(number, figures))


def _write(repository: Path, name: str, module: str) -> Path:
    """The repository of this model alone, written anew."""
    shutil.rmtree(repository, ignore_errors=True)
    framework = importlib.import_module(module)
    path = Path(repository, name, "1", framework.FILENAME)
    write_model(module, path)
    path.parent.with_name("config.pbtxt").write_text(framework.CONFIG)
    return path
