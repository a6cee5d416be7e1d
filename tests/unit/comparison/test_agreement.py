# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How far two answers differ: every figure by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from penstock.comparison.agreement import DECADES, Agreement, Tolerance
from penstock.comparison.tensors import Tensor, tensor_of


def agreement(
    ours: object, theirs: object, tolerance: Tolerance | None = None, *, batched: bool = True
) -> Agreement:
    made = Agreement("y", "y", tolerance or Tolerance())
    made.add(tensor_of("y", np.asarray(ours)), tensor_of("y", np.asarray(theirs)), batched=batched)
    return made


def test_errors_of_numbers() -> None:
    seen = agreement([[1.0, 2.0], [4.0, 0.0]], [[1.0, 2.5], [3.0, 0.0]])
    assert (seen.elements, seen.equal, seen.outside) == (4, 2, 2)
    assert (seen.max_abs, seen.mean_abs) == (1.0, 0.375)
    assert (seen.max_rel, seen.mean_rel) == (0.25, 0.125)
    assert seen.top1 == 1.0
    cosine = (1 + 5) / math.sqrt((1 + 4) * (1 + 6.25))
    assert seen.cosine == pytest.approx(cosine)
    assert seen.failures() == ["2 of 4 values differ by more than atol 0.0001, rtol 0.0001"]


def test_sums_over_requests() -> None:
    seen = agreement([[1.0, 2.0]], [[1.0, 2.0]])
    seen.add(
        tensor_of("y", np.array([[3.0, 1.0]])), tensor_of("y", np.array([[0.0, 1.0]])), batched=True
    )
    assert (seen.elements, seen.max_abs, seen.mean_abs, seen.top1) == (4, 3.0, 0.75, 0.5)


@pytest.mark.parametrize(
    ("tolerance", "failures"),
    [
        (Tolerance(atol=0.5, rtol=0), 0),
        (Tolerance(atol=0.49, rtol=0), 1),
        (Tolerance(atol=0, rtol=0.25), 0),
        (Tolerance(atol=math.inf, min_cosine=1.0), 1),
        (Tolerance(atol=math.inf, min_cosine=0.9), 0),
        (Tolerance(atol=math.inf, min_top1=1.0), 1),
        (Tolerance(atol=math.inf, min_top1=0.0), 0),
        (Tolerance(atol=0, rtol=0, min_cosine=1.0, min_top1=1.0), 3),
    ],
)
def test_tolerance(tolerance: Tolerance, failures: int) -> None:
    seen = agreement([[2.0, 2.1]], [[2.5, 2.1]], tolerance)  # the largest is another one
    assert len(seen.failures()) == failures


def test_what_is_not_finite() -> None:
    same = agreement([[math.nan, math.inf, -math.inf]], [[math.nan, math.inf, -math.inf]])
    assert (same.equal, same.max_abs, same.cosine, same.failures()) == (3, 0.0, 1.0, [])
    for other in (0.0, math.inf, -math.inf):
        seen = agreement([[math.nan, 1.0]], [[other, 1.0]])
        assert (seen.outside, seen.max_abs) == (1, math.inf)
    assert agreement([[math.inf]], [[-math.inf]]).outside == 1
    assert agreement([[math.inf]], [[1.0]]).outside == 1


def test_zero_vectors() -> None:
    assert agreement([[0.0, 0.0]], [[0.0, 0.0]]).cosine == 1.0
    assert agreement([[0.0, 0.0]], [[0.0, 1.0]]).cosine == 0.0


def test_integers_are_compared_exactly() -> None:
    seen = agreement([2**62, -(2**63)], [2**62 + 1, 2**63 - 1])
    assert seen.equal == 0
    assert seen.max_abs == 2.0**64
    assert agreement([2**62], [2**62 + 1], Tolerance(atol=0, rtol=0)).outside == 1
    assert seen.top1 is None  # labels are not scores


def test_other_data_types_of_the_same_kind() -> None:
    assert agreement(np.float16([1.5]), np.float64([1.5])).equal == 1
    assert agreement(np.int32([7]), np.uint8([7])).equal == 1
    assert agreement([True, False], [True, True]).outside == 1


def test_strings() -> None:
    seen = agreement([[b"a", b"b"]], [[b"a", b"c"]])
    assert (seen.elements, seen.equal, seen.cosine, seen.top1) == (2, 1, None, None)
    assert seen.failures()
    numbers = Agreement("y", "y", Tolerance())
    strings = Tensor("y", "BYTES", np.array([b"1"], object))
    numbers.add(strings, tensor_of("y", np.array([1])), batched=False)
    assert numbers.failures() == ["the answers are of BYTES and INT64"]


def test_shapes_differ() -> None:
    seen = agreement(np.zeros((2, 3)), np.zeros((2, 4)))
    assert seen.failures() == ["the answers are of shape [2, 3] and [2, 4]"]
    assert seen.elements == 0


def test_nothing_to_compare() -> None:
    seen = agreement(np.zeros((0, 3)), np.zeros((0, 3)))
    assert (seen.elements, seen.mean_abs, seen.top1, seen.failures()) == (0, 0.0, None, [])


def test_rows_and_wholes() -> None:
    ours, theirs = np.eye(2), np.eye(2)[::-1]
    theirs = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert agreement(ours, theirs).cosine == 0.0  # of the second row
    whole = agreement(ours, theirs, batched=False).cosine
    assert whole == pytest.approx(0.5)


def test_histogram() -> None:
    ours = np.zeros(6)
    theirs = np.array([0.0, 1e-12, 1e-9, 0.5, 1.0, 5e8])
    counts = dict(zip(["0", "less", *DECADES], agreement(ours, theirs).histogram, strict=True))
    assert {k: v for k, v in counts.items() if v} == {"0": 1, "less": 1, -9: 1, -1: 1, 0: 1, 3: 1}
