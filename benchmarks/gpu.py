# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""GPUs: copies through the pools beside CUDA's own, and batches on their way during execution.

Bars: copies through the pools reach 90 % of raw ones; what lies between two batches is less than
half of the copy that would lie there without a pipeline.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from penstock.devices.cuda import find_gpus
from penstock.devices.gpus import Gpu
from penstock.devices.runtime import cuda_runtime_libraries

from benchmarks.programs import program
from benchmarks.report import table

COPY_BAR: Final = 0.9
#: From this size on; smaller copies measure how fast they are begun.
COPY_BAR_BYTES: Final = 4 << 20
GAP_BAR: Final = 0.5

_NO_CUDA: Final = 3


@dataclass(frozen=True)
class Measured:
    """Of one GPU: copies by size, and a timeline of batches; microseconds, GB/s."""

    gpu: Gpu
    #: (bytes, raw, through the pools)
    copies: tuple[tuple[int, float, float], ...]
    copy_us: float
    #: (taken, execution begins, execution ends) of each batch
    timeline: tuple[tuple[float, float, float], ...]

    @property
    def gap_us(self) -> float:
        """Between the end of one execution and the begin of the next, the median."""
        ends = [end for _, _, end in self.timeline]
        begins = [begin for _, begin, _ in self.timeline]
        return statistics.median(
            begin - end for begin, end in zip(begins[1:], ends[:-1], strict=True)
        )


def why_no_gpu() -> str:
    """Why nothing can be measured; empty when it can."""
    found = find_gpus()
    return "" if found.usable else found.why_none


def measure() -> Measured:
    """Raises RuntimeError without a GPU, or a CUDA runtime for it."""
    if reason := why_no_gpu():
        raise RuntimeError(f"no GPU: {reason}")
    gpu = find_gpus().usable[0]
    command = [str(program("micro/bench_device")), str(gpu.index), *cuda_runtime_libraries()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        what = "no CUDA runtime" if done.returncode == _NO_CUDA else "bench_device failed"
        raise RuntimeError(f"{what}: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout)
    return Measured(
        gpu=gpu,
        copies=tuple((row["bytes"], row["raw_gb_s"], row["pool_gb_s"]) for row in result["copies"]),
        copy_us=result["copy_us"],
        timeline=tuple(tuple(row) for row in result["timeline_us"]),
    )


def run() -> str:
    """The tables, as Markdown; without a GPU the sentence that says so."""
    if reason := why_no_gpu():
        return (
            f"No device was available ({reason}). The logic is tested with the CUDA runtime that "
            f"the tests bring along."
        )
    measured = measure()
    rows = [
        [
            f"{size / 2**20:g} MiB",
            f"{raw:.2f}",
            f"{pool:.2f}",
            f"{pool / raw:.0%}",
            _met(pool / raw >= COPY_BAR) if size >= COPY_BAR_BYTES else "",
        ]
        for size, raw, pool in measured.copies
    ]
    copies = table(["host to device, GB/s", "raw", "pools", "share", "90 %"], rows)
    gap = table(
        ["us", "copy alone", "between two batches", "half of it"],
        [
            [
                "batches of 16 MiB, one behind the other",
                f"{measured.copy_us:.0f}",
                f"{measured.gap_us:.0f}",
                _met(measured.gap_us <= GAP_BAR * measured.copy_us),
            ]
        ],
    )
    return f"{measured.gpu.words}\n\n{copies}\n\n{gap}"


def _met(met: bool) -> str:
    return "yes" if met else "**no**"
