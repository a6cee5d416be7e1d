# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Runs the C++ programs of this folder and tables what they print."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from benchmarks.programs import program
from benchmarks.report import number, table

PROGRAMS = ("sync", "memory", "core", "wire", "backends")

_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
#: Not the work itself, but how it is to be read.
_COUNTERS = ("batch", "system_allocs", "pool_system_allocs")


def run(*, seconds: float) -> str:
    """One table of all programs, as Markdown: medians of five runs of `seconds` each."""
    rows = [row for name in PROGRAMS for row in _rows(name, seconds)]
    return table(["ns", "wall", "CPU, all threads", "counters"], rows)


def _rows(name: str, seconds: float) -> Iterator[list[str]]:
    command = [
        str(program(f"micro/bench_{name}")),
        "--benchmark_format=json",
        "--benchmark_repetitions=5",
        "--benchmark_report_aggregates_only=true",
        f"--benchmark_min_time={seconds}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for result in json.loads(done.stdout)["benchmarks"]:
        if result["aggregate_name"] == "median":
            yield _row(result)


def _row(result: dict[str, Any]) -> list[str]:
    if result.get("error_occurred"):
        raise RuntimeError(f"{result['run_name']}: {result['error_message']}")
    name = result["run_name"].replace("/process_time", "").replace("/real_time", "")
    scale = _NS[result["time_unit"]]
    counters = [f"{key} {result[key]:.3g}" for key in _COUNTERS if key in result]
    return [
        f"`{name}`",
        number(result["real_time"] * scale),
        number(result["cpu_time"] * scale),
        ", ".join(counters),
    ]
