# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Mapped weights: what is in the file, and files that are not whole."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from penstock.weights import WeightsError, map_weights

HALF = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def write(path: Path, header: Any, data: bytes = bytes(24), *, length: int | None = None) -> Path:
    """A safetensors file; the header may say anything, `length` too."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_safetensors(path: Path) -> None:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": HALF,
        "b": {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]},
        "none": {"dtype": "I64", "shape": [0, 4], "data_offsets": [28, 28]},
        "one": {"dtype": "U8", "shape": [], "data_offsets": [28, 29]},
    }
    mapped = map_weights(write(path, header, weights.tobytes() + b"\x80\x3f\x00\x40\x07"))
    assert sorted(mapped) == ["a.weight", "b", "none", "one"]
    assert mapped["a.weight"].tolist() == weights.tolist()
    assert mapped["b"].dtype == np.uint16
    assert mapped["b"].tolist() == [0x3F80, 0x4000]
    assert mapped["none"].shape == (0, 4)
    assert mapped["one"].shape == ()
    assert mapped["one"] == 7


def test_they_are_read_only(path: Path) -> None:
    mapped = map_weights(write(path, {"a": HALF}))["a"]
    assert not mapped.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        mapped.setflags(write=True)


def test_copy_on_write(path: Path) -> None:
    mapped = map_weights(write(path, {"a": HALF}), copy_on_write=True)["a"]
    mapped += 1
    assert (mapped == 1).all()
    assert not map_weights(path)["a"].any()


@pytest.mark.parametrize("copy_on_write", [False, True])
def test_a_folder(tmp_path: Path, copy_on_write: bool) -> None:
    for name in ("a", "b.weight"):
        np.save(tmp_path / f"{name}.npy", np.full((2, 3), 5, np.int16))
    (tmp_path / "readme.txt").write_text("beside")
    mapped = map_weights(tmp_path, copy_on_write=copy_on_write)
    assert sorted(mapped) == ["a", "b.weight"]
    assert mapped["a"].tolist() == [[5] * 3] * 2
    assert type(mapped["a"]) is np.ndarray
    assert mapped["a"].flags.writeable is copy_on_write


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xff", "is not JSON"),
        ([], "is not a JSON object"),
        ({"a": 1}, "is not described by a JSON object"),
        ({"a": HALF | {"dtype": "F4"}}, "dtype F4"),
        ({"a": HALF | {"dtype": ["F32"]}}, "dtype"),
        ({"a": HALF | {"shape": None}}, "has no shape"),
        ({"a": HALF | {"shape": [2, -3]}}, "has no shape"),
        ({"a": HALF | {"shape": [2, True, 3]}}, "has no shape"),
        ({"a": HALF | {"shape": [1] * 40 + [6]}}, "has no shape"),
        ({"a": HALF | {"shape": [2, 4]}}, "24 bytes, its shape [2, 4] takes 32"),
        ({"a": HALF | {"data_offsets": [0]}}, "has no place"),
        ({"a": HALF | {"data_offsets": [-24, 0]}}, "has no place"),
        ({"a": HALF | {"data_offsets": [24, 0]}}, "the file is not complete"),
        ({"a": HALF | {"data_offsets": [1, 25]}}, "the file is not complete"),
        ({"a": HALF | {"data_offsets": [0, 1 << 70]}}, "the file is not complete"),
        (
            {"a": {"dtype": "U8", "shape": [0, 1 << 70], "data_offsets": [0, 0]}},
            "a shape that no array has",
        ),
    ],
)
def test_a_wrong_header(path: Path, header: Any, words: str) -> None:
    with pytest.raises(WeightsError) as caught:
        map_weights(write(path, header))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_cut_file(path: Path) -> None:
    whole = write(path, {"a": HALF}).read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError):
            map_weights(path)


@pytest.mark.parametrize("length", [1 << 20, 100_000_001, (1 << 64) - 1])
def test_a_header_without_end(path: Path, length: int) -> None:
    with pytest.raises(WeightsError, match="not a whole one"):
        map_weights(write(path, {"a": HALF}, length=length))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"PK", None])
def test_a_folder_with_a_wrong_file(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.zeros(1000))
    file.write_bytes(file.read_bytes()[:5000] if content is None else content)
    with pytest.raises(WeightsError, match=r"a\.npy' is not a complete"):
        map_weights(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no .npy files"):
        map_weights(tmp_path)
    with pytest.raises(FileNotFoundError):
        map_weights(tmp_path / "none")
