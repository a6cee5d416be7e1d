# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Arrays to bytes and back, from JSON, and between data types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from penstock.comparison.errors import ComparisonError
from penstock.comparison.tensors import Tensor, cast, from_bytes, from_json, tensor_of, to_bytes


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("UINT64", [0, 2**64 - 1]),
        ("FP16", [1.5, -2.0]),
        ("FP32", [1e30, -0.0]),
        ("FP64", [1e300, 0.1]),
        ("BF16", [1.5, -3.0]),
        ("BYTES", ["", "é"]),
    ],
)
def test_bytes_and_back(datatype: str, values: list[Any]) -> None:
    tensor = from_json("x", datatype, [2, 1], [[values[0]], [values[1]]])
    back = from_bytes("x", datatype, [2, 1], to_bytes(tensor))
    assert back.shape == (2, 1)
    assert back.array.dtype == tensor.array.dtype
    assert back.array.tolist() == tensor.array.tolist()


def test_bf16_rounds_to_nearest_even() -> None:
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, np.inf, np.nan], np.float32)
    back = from_bytes("x", "BF16", [5], to_bytes(Tensor("x", "BF16", values))).array
    assert back[:4].tolist() == [1.0, 1.0, 1 + 2**-6, np.inf]
    assert np.isnan(back[4])


def test_views_that_are_not_contiguous() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    assert from_bytes("x", "INT32", [3, 2], to_bytes(tensor_of("x", array))).array.tolist() == [
        [0, 3],
        [1, 4],
        [2, 5],
    ]


def test_big_endian_and_text_arrays() -> None:
    assert tensor_of("x", np.array([1.0], ">f4")).array.dtype == np.float32
    tensor = tensor_of("x", np.array(["é", "b"]))
    assert (tensor.datatype, tensor.array.tolist()) == ("BYTES", ["é".encode(), b"b"])


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["2020"], "datetime64[Y]")])
def test_arrays_that_the_protocol_has_not(array: np.ndarray) -> None:
    with pytest.raises(ComparisonError, match="'x': the protocol has no data type for"):
        tensor_of("x", array)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "message"),
    [
        ("FP31", [1], [1], "'FP31' is not a data type"),
        ("FP32", [3], [1, 2], r"'x' has 2 values, its shape \[3\] 3"),
        ("INT8", [1], [1.5], "'x' is INT8 and cannot take 1.5"),
        ("INT8", [1], [True], "'x' is INT8 and cannot take True"),
        ("INT8", [1], [300], "'x' is INT8, its values do not fit"),
        ("BOOL", [1], [1], "'x' is BOOL and cannot take 1"),
        ("BYTES", [1], [1], "'x' is BYTES and cannot take 1"),
        ("FP32", [1], ["1"], "'x' is FP32 and cannot take '1'"),
    ],
)
def test_bad_json(datatype: str, shape: list[int], data: list[Any], message: str) -> None:
    with pytest.raises(ComparisonError, match=message):
        from_json("x", datatype, shape, data)


def test_a_reply_of_the_wrong_size() -> None:
    with pytest.raises(ComparisonError, match="the server sent 3 bytes for output 'y'"):
        from_bytes("y", "FP32", [1], b"abc")


@pytest.mark.parametrize(
    ("values", "datatype"),
    [
        (np.float64([1e39]), "FP32"),
        (np.float32([70000.0]), "FP16"),
        (np.int64([-1]), "UINT8"),
        (np.uint64([2**63]), "INT64"),
        (np.float32([1.0]), "INT32"),
        (np.bool_([True]), "INT32"),
    ],
)
def test_casts_that_would_change_values(values: np.ndarray, datatype: str) -> None:
    with pytest.raises(ComparisonError, match="input 'b' is"):
        cast(tensor_of("a", values), "b", datatype)


def test_casts() -> None:
    assert cast(tensor_of("a", np.float64([1.5])), "b", "FP16").array.dtype == np.float16
    assert cast(tensor_of("a", np.int64([200])), "b", "UINT8").array.tolist() == [200]
    assert cast(tensor_of("a", np.float64([np.inf])), "b", "BF16").datatype == "BF16"
