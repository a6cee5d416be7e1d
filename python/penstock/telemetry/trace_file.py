# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Trace files in Triton's JSON (contract 8.1, T-1, T-2, T-5).

A file is a valid array at any time: what is added takes the place of the closing bracket.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: A trace as the engine gives it (_engine.EngineTracer.take).
Record = Mapping[str, Any]

#: Traces that wait for a file of their own are written to the common one when there are more.
MAX_HELD = 16384

_NAMES = (
    "INVALID",
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
    "BF16",
)
_NUMPY = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP32": "<f4",
    "FP64": "<f8",
}


def elements(record: Record, *, timestamps: bool) -> list[str]:
    """The elements of the array that one trace is, each as JSON text (T-1)."""
    number = record["id"]
    head = {"id": number, "model_name": record["model"], "model_version": record["version"]}
    if record["request_id"]:
        head["request_id"] = record["request_id"]
    if record["parent_id"]:
        head["parent_id"] = record["parent_id"]
    parts: list[dict[str, Any]] = [head]
    if timestamps:
        parts += [
            {"id": number, "timestamps": [{"name": name, "ns": ns}]}
            for name, ns in record["stamps"]
        ]
    parts += [_tensor_element(number, tensor) for tensor in record["tensors"]]
    return [json.dumps(part, separators=(",", ":")) for part in parts]


def _tensor_element(number: int, tensor: Sequence[Any]) -> dict[str, Any]:
    activity, name, data_type, shape, data = tensor
    datatype = _NAMES[data_type]
    described = {
        "name": name,
        "data": tensor_text(datatype, data),
        "shape": ",".join(str(dim) for dim in shape),
        "dtype": datatype,
    }
    return {"id": number, "activity": activity, "tensor": described}


def tensor_text(datatype: str, data: bytes) -> str:
    """The elements with commas between; text in quotes; nothing for FP16 and BF16."""
    if datatype == "BYTES":
        return ",".join(json.dumps(text.decode("utf-8", "replace")) for text in _texts(data))
    if datatype not in _NUMPY:
        return ""
    values = np.frombuffer(data, _NUMPY[datatype])
    if datatype == "BOOL":
        return ",".join("true" if value else "false" for value in values)
    return ",".join(str(value) for value in values.tolist())


def _texts(data: bytes) -> list[bytes]:
    texts = []
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        texts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return texts


class TraceFile:
    """`<path>`, which grows, and `<path>.0`, `<path>.1` ... Thread safe. Raises OSError."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._index = 0
        self._begun = False
        self._lock = threading.Lock()

    def append(self, traces: Sequence[str]) -> None:
        """To the one file; what a server before this one has left there goes."""
        with self._lock:
            if not self._begun:
                Path(self.path).write_text("[" + ",\n".join(traces) + "]", encoding="utf-8")
                self._begun = True
                return
            with Path(self.path).open("r+b") as file:
                file.seek(-1, 2)
                file.write((",\n" + ",\n".join(traces) + "]").encode())

    def write_next(self, traces: Sequence[str]) -> None:
        """To the next numbered file."""
        with self._lock:
            path = f"{self.path}.{self._index}"
            self._index += 1
        Path(path).write_text("[" + ",\n".join(traces) + "]", encoding="utf-8")


class TraceCollector:
    """What is traced under one setting, on its way to the file (T-5). One thread's.

    A limited number of traces, or a log frequency, collects them for numbered files; without
    either they go to the one file as they come.
    """

    def __init__(
        self, file: TraceFile, *, count: int, log_frequency: int, timestamps: bool
    ) -> None:
        self._file = file
        self._count = count
        self._log_frequency = log_frequency
        self._timestamps = timestamps
        self._held: list[str] = []
        self._held_roots = self._roots = 0
        self._retired = False

    def add(self, records: Sequence[Record]) -> None:
        """Takes traces; steps of ensembles count as part of theirs. Raises OSError."""
        for record in sorted(records, key=lambda record: int(record["id"])):
            self._held += elements(record, timestamps=self._timestamps)
        roots = sum(not record["parent_id"] for record in records)
        self._held_roots += roots
        self._roots += roots
        full = 0 < self._log_frequency <= self._held_roots
        if full or 0 < self._count <= self._roots:
            self._flush(numbered=True)
        elif self._retired or len(self._held) > MAX_HELD or self._streams:
            self._flush(numbered=self._log_frequency > 0)

    def retire(self) -> None:
        """The setting is replaced: writes what is held. What still comes is written at once."""
        self._retired = True
        self._flush(numbered=self._log_frequency > 0)

    @property
    def _streams(self) -> bool:
        return self._log_frequency == 0 and self._count < 0

    def _flush(self, *, numbered: bool) -> None:
        held, self._held, self._held_roots = self._held, [], 0
        if held:
            (self._file.write_next if numbered else self._file.append)(held)
