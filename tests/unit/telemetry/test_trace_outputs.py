# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Trace files and spans from records (T-1, T-5, T-21)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from penstock.telemetry import trace_file
from penstock.telemetry.otlp import OtlpExporter, SpanMaker
from penstock.telemetry.span_ids import SpanIds
from penstock.telemetry.trace_file import TraceCollector, TraceFile, elements, tensor_text


def record(number: int, parent: int = 0, **changes: Any) -> dict[str, Any]:
    made = {
        "id": number,
        "parent_id": parent,
        "root_id": parent or number,
        "generation": 1,
        "model": "m",
        "version": 1,
        "request_id": "",
        "context": "",
        "error": "",
        "of_client": parent == 0,
        "stamps": [("REQUEST_START", 10 * number), ("REQUEST_END", 10 * number + 5)],
        "tensors": [],
    }
    return made | changes


def ids(path: Path) -> list[int]:
    heads = [e for e in json.loads(path.read_text()) if "model_name" in e]
    return [head["id"] for head in heads]


def test_elements() -> None:
    """T-1."""
    shown = record(3, parent=2, request_id="r", tensors=[("A", "x", 11, (1, 2), b"\0" * 8)])
    assert [json.loads(text) for text in elements(shown, timestamps=True)] == [
        {"id": 3, "model_name": "m", "model_version": 1, "request_id": "r", "parent_id": 2},
        {"id": 3, "timestamps": [{"name": "REQUEST_START", "ns": 30}]},
        {"id": 3, "timestamps": [{"name": "REQUEST_END", "ns": 35}]},
        {
            "id": 3,
            "activity": "A",
            "tensor": {"name": "x", "data": "0.0,0.0", "shape": "1,2", "dtype": "FP32"},
        },
    ]
    assert len(elements(shown, timestamps=False)) == 2


@pytest.mark.parametrize(
    ("datatype", "data", "text"),
    [
        ("BOOL", b"\0\1", "false,true"),
        ("INT8", b"\xff\x01", "-1,1"),
        ("UINT64", b"\xff" * 8, str(2**64 - 1)),
        ("FP64", np.array([0.1, -2.0]).tobytes(), "0.1,-2.0"),
        ("FP16", b"\0\0", ""),
        ("BF16", b"\0\0", ""),
        ("BYTES", b'\2\0\0\0a"\1\0\0\0b', '"a\\"","b"'),
        ("BYTES", b"\xff\0\0\0ab", '"ab"'),
        ("INT32", b"", ""),
    ],
)
def test_tensor_text(datatype: str, data: bytes, text: str) -> None:
    assert tensor_text(datatype, data) == text


def test_the_one_file_is_an_array_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("of another server")
    file = TraceFile(str(path))
    collector = TraceCollector(file, count=-1, log_frequency=0, timestamps=True)
    collector.add([record(1)])
    assert ids(path) == [1]
    collector.add([record(3, parent=2), record(2)])
    assert ids(path) == [1, 2, 3]
    other = TraceCollector(file, count=-1, log_frequency=0, timestamps=True)
    other.add([record(4)])
    assert ids(path) == [1, 2, 3, 4]


def test_a_count_goes_to_a_numbered_file(tmp_path: Path) -> None:
    """T-5: steps are part of their ensemble's trace."""
    path = tmp_path / "t"
    collector = TraceCollector(TraceFile(str(path)), count=2, log_frequency=0, timestamps=True)
    collector.add([record(2, parent=1)])
    collector.add([record(1)])
    assert list(tmp_path.iterdir()) == []
    collector.add([record(3)])
    assert ids(Path(f"{path}.0")) == [2, 1, 3]
    collector.retire()
    assert not path.exists()


def test_a_frequency_makes_numbered_files(tmp_path: Path) -> None:
    path = tmp_path / "t"
    collector = TraceCollector(TraceFile(str(path)), count=-1, log_frequency=2, timestamps=True)
    for number in range(1, 6):
        collector.add([record(number)])
    assert [ids(Path(f"{path}.{index}")) for index in range(2)] == [[1, 2], [3, 4]]
    collector.retire()
    assert ids(Path(f"{path}.2")) == [5]
    collector.add([record(6)])  # was on its way
    assert ids(Path(f"{path}.3")) == [6]


def test_what_is_held_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_file, "MAX_HELD", 10)
    path = tmp_path / "t"
    collector = TraceCollector(TraceFile(str(path)), count=1000, log_frequency=0, timestamps=True)
    for number in range(1, 8):
        collector.add([record(number)])
    assert ids(path) == [1, 2, 3, 4]


def test_spans_of_a_step_are_in_its_ensembles() -> None:
    """T-21: whichever comes first."""
    maker = SpanMaker(SpanIds(b"seed"))
    stamps = [("REQUEST_START", 1), ("COMPUTE_START", 2), ("COMPUTE_END", 3), ("REQUEST_END", 4)]
    step, compute = maker.spans(record(2, parent=1, stamps=stamps), 100)
    root, model = maker.spans(record(1, error="it broke"), 100)
    assert step["parentSpanId"] == model["spanId"] and compute["parentSpanId"] == step["spanId"]
    assert model["parentSpanId"] == root["spanId"] and "parentSpanId" not in root
    assert len({span["traceId"] for span in (root, model, step, compute)}) == 1
    assert len({span["spanId"] for span in (root, model, step, compute)}) == 4
    assert (len(root["traceId"]), len(root["spanId"])) == (32, 16)
    assert (step["startTimeUnixNano"], step["endTimeUnixNano"]) == ("101", "104")
    assert root["status"] == {"code": 2, "message": "it broke"} and "status" not in step
    assert maker.spans(record(9, stamps=[]), 0) == []


def test_the_exporters_queue_is_bounded() -> None:
    exporter = OtlpExporter(
        "http://127.0.0.1:9/", {}, SpanIds(), max_queue_size=3, schedule_delay_ms=3_600_000
    )
    exporter.add([record(1), record(2), record(3)])  # two spans each
    assert exporter.dropped == 3
    exporter.close(30)
    assert exporter.dropped == 6
