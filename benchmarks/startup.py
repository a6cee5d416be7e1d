# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Start to ready with the example repository, and how much of it the frameworks take by themselves.

The floor is a bare Python process that imports onnxruntime and opens the repository's ONNX files.
Aim: ready within 2 s beyond that.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.load.penstock_server import start_penstock
from benchmarks.processes import ROOT, SERVER_CORE, on_cores
from benchmarks.report import table

EXAMPLES = ROOT / "examples" / "models"

_LOAD_MODELS = """
import sys
import onnxruntime
for path in sys.argv[1:]:
    onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
"""


def run(*, rounds: int) -> str:
    """The table, as Markdown. Everything runs on one core. Files are in the page cache."""
    models = sorted(EXAMPLES.glob("*/*/*.onnx"))
    if not models:
        raise RuntimeError(f"{EXAMPLES} has no ONNX models: make models")
    floors, starts = [], []
    for _ in range(rounds + 1):
        floors.append(_frameworks_s(models))
        starts.append(_start_s())
    beyond = [start - floor for start, floor in zip(starts[1:], floors[1:], strict=True)]
    row = [f"{statistics.median(values):.2f}" for values in (starts[1:], floors[1:], beyond)]
    folders = ", ".join(sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
    header = ["seconds", "start to ready", "onnxruntime alone, same files", "beyond"]
    return table(header, [[f"examples/models ({folders})", *row]])


def _frameworks_s(models: list[Path]) -> float:
    command = [sys.executable, "-c", _LOAD_MODELS, *map(str, models)]
    started = time.perf_counter()
    subprocess.run(on_cores((SERVER_CORE,), command), check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def _start_s() -> float:
    started = time.perf_counter()
    target = start_penstock(EXAMPLES, name="startup")
    took = time.perf_counter() - started
    target.server.stop()
    return took
