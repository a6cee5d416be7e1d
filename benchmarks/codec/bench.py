# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Decode and encode, ours through the binding and Python's own, on the same messages.

Ours is `submit` (decode, look the model up, validate, queue) and `encode`, bursts on one thread.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from time import perf_counter_ns

from benchmarks.boundary.stages import BURST, StagedEngine, Submit
from benchmarks.codec.floors import Decode, Encode, grpc_raw, http_binary, http_json
from benchmarks.load.workloads import IMAGE, SMALL, grpc_message, http_body
from benchmarks.report import number, table

_SECONDS = 0.4


def run() -> str:
    """The table, as Markdown."""
    staged = StagedEngine()
    rows = []
    for count, size in ((SMALL, BURST), (IMAGE, 1)):
        what = f"{count:,} x FP32"
        body, json_bytes = http_body(count, binary=True)
        text, _ = http_body(count, binary=False)
        message = grpc_message("identity", count)
        cases = (
            ("HTTP binary", staged.http(count), body, http_binary(json_bytes)),
            ("HTTP JSON", staged.http(count, binary=False), text, http_json()),
            ("gRPC raw", staged.grpc(count), message, grpc_raw()),
        )
        for name, submit, sent, floor in cases:
            rows.append(_row(staged, f"{name}, {what}", submit, sent, floor, size))
    header = ["us a message", "Penstock decode", "encode", "Python decode", "encode", "ratio"]
    return table(header, rows)


def _row(
    staged: StagedEngine,
    name: str,
    submit: Submit,
    sent: bytes,
    floor: tuple[Decode, Encode],
    size: int,
) -> list[str]:
    _check_same(staged, submit, sent, floor)
    ours = staged.stage_times(submit, size=size, seconds=_SECONDS)
    ours_us = ours["submit"] / 1000, ours["encode"] / 1000
    python_us = _floor_us(sent, floor)
    ratio = sum(ours_us) / sum(python_us)
    return [name, *map(number, (*ours_us, *python_us)), f"{ratio:.2f}"]


def _check_same(
    staged: StagedEngine, submit: Submit, sent: bytes, floor: tuple[Decode, Encode]
) -> None:
    """Both must have done the same work: the answers decode to the same numbers."""
    [answer] = staged.burst(submit, 1, defaultdict(int))
    decode, encode = floor
    values = decode(sent)
    theirs = encode(values)
    if values.tobytes() not in answer and len(answer) != len(theirs):
        raise RuntimeError(f"the answers differ: {answer[:200]!r} and {theirs[:200]!r}")


def _floor_us(sent: bytes, floor: tuple[Decode, Encode]) -> tuple[float, float]:
    decode, encode = floor
    decoded: list[int] = []
    encoded: list[int] = []
    end = perf_counter_ns() + int(_SECONDS * 1e9)
    while perf_counter_ns() < end or len(decoded) < 5:
        start = perf_counter_ns()
        array = decode(sent)
        middle = perf_counter_ns()
        encode(array)
        encoded.append(perf_counter_ns() - middle)
        decoded.append(middle - start)
    return statistics.median(decoded) / 1000, statistics.median(encoded) / 1000
