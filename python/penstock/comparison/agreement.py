# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How far the answers of two models differ, request by request, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from penstock.comparison.tensors import FLOATS, Array, Tensor

#: A relative error is that of the reference's value, or of this where the value is smaller.
RELATIVE_FLOOR: Final = 1e-6
#: Decades of absolute errors that are counted apart: below 1e-9, ..., from 1e3 on.
DECADES: Final = range(-9, 4)
_TINY: Final = np.finfo(np.float64).tiny

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tolerance:
    """What still counts as the same answer; None: any."""

    atol: float = 1e-4
    rtol: float = 1e-4
    min_cosine: float | None = None
    min_top1: float | None = None


@dataclass
class Agreement:
    """Sums over the answers that were added, for one output of one model."""

    output: str
    other: str
    tolerance: Tolerance
    elements: int = 0
    equal: int = 0
    outside: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    #: the least of all rows; None: not of numbers
    cosine: float | None = None
    #: rows with the largest value at the same place; of `ranked`
    same_top: int = 0
    ranked: int = 0
    #: counts of absolute errors: exact, then by DECADES
    histogram: list[int] = field(default_factory=lambda: [0] * (len(DECADES) + 2))
    mismatch: str = ""
    _sum_abs: float = 0.0
    _sum_rel: float = 0.0

    @property
    def mean_abs(self) -> float:
        """Over all elements."""
        return self._sum_abs / self.elements if self.elements else 0.0

    @property
    def mean_rel(self) -> float:
        """Over all elements."""
        return self._sum_rel / self.elements if self.elements else 0.0

    @property
    def top1(self) -> float | None:
        """The share of rows with the same largest element; None: there are no such rows."""
        return self.same_top / self.ranked if self.ranked else None

    def add(self, reference: Tensor, answer: Tensor, *, batched: bool) -> None:
        """One request's answers. `batched`: each row is a vector of its own."""
        ours, theirs = reference.array, answer.array
        if ours.shape != theirs.shape:
            self._mismatch(f"shape {list(ours.shape)} and {list(theirs.shape)}")
            return
        strings = (reference.datatype == "BYTES", answer.datatype == "BYTES")
        if strings[0] != strings[1]:
            self._mismatch(f"{reference.datatype} and {answer.datatype}")
            return
        self.elements += ours.size
        if strings[0]:
            same = int(np.count_nonzero(ours == theirs))
            self.equal += same
            self.outside += ours.size - same
        elif ours.size:
            self._add_numbers(ours, theirs)
            rows = len(ours) if batched and ours.ndim else 1
            self._add_cosine(ours, theirs, rows)
            if reference.datatype in FLOATS and ours.ndim and ours.shape[-1] > 1:
                self._add_top(ours, theirs)

    def failures(self) -> list[str]:
        """In words; empty: it is within the tolerance."""
        found = [self.mismatch] if self.mismatch else []
        if self.outside:
            limit = f"atol {self.tolerance.atol:g}, rtol {self.tolerance.rtol:g}"
            found.append(f"{self.outside} of {self.elements} values differ by more than {limit}")
        limits = (self.tolerance.min_cosine, self.tolerance.min_top1)
        for name, value, least in zip(
            ("cosine", "top-1"), (self.cosine, self.top1), limits, strict=True
        ):
            if least is not None and value is not None and not value >= least:
                found.append(f"{name} {value:.6g} is less than {least:g}")
        return found

    def _mismatch(self, what: str) -> None:
        self.mismatch = self.mismatch or f"the answers are of {what}"

    def _add_numbers(self, ours: Array, theirs: Array) -> None:
        error = _absolute_error(ours, theirs)
        size = np.nan_to_num(np.abs(ours.astype(np.float64)), posinf=np.finfo(np.float64).max)
        relative = error / np.maximum(size, RELATIVE_FLOOR)
        self.equal += int(np.count_nonzero(error == 0))
        bound = self.tolerance.atol + self.tolerance.rtol * size
        self.outside += int(np.count_nonzero(~(error <= bound)))
        self.max_abs = max(self.max_abs, float(error.max()))
        self.max_rel = max(self.max_rel, float(relative.max()))
        self._sum_abs += float(error.sum())
        self._sum_rel += float(relative.sum())
        edges = [0.0, _TINY, *(10.0**decade for decade in DECADES), math.inf]
        places = np.searchsorted(np.array(edges[1:-1]), error.ravel(), side="right")
        for place, count in enumerate(np.bincount(places, minlength=len(self.histogram))):
            self.histogram[place] += int(count)

    def _add_cosine(self, ours: Array, theirs: Array, rows: int) -> None:
        a = ours.astype(np.float64).reshape(rows, -1)
        b = theirs.astype(np.float64).reshape(rows, -1)
        same = np.all((a == b) | (np.isnan(a) & np.isnan(b)), axis=1)
        with np.errstate(all="ignore"):
            product = (a * b).sum(axis=1)
            cosine = product / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
        cosine = np.where(same, 1.0, np.clip(np.nan_to_num(cosine, nan=0.0), -1.0, 1.0))
        least = float(cosine.min())
        self.cosine = least if self.cosine is None else min(self.cosine, least)

    def _add_top(self, ours: Array, theirs: Array) -> None:
        tops = ours.argmax(axis=-1) == theirs.argmax(axis=-1)
        self.same_top += int(np.count_nonzero(tops))
        self.ranked += int(tops.size)


def _absolute_error(ours: Array, theirs: Array) -> Floats:
    """0 for what is equal, also infinities and NaN; infinite where only one is finite."""
    if ours.dtype.kind in "iub" and theirs.dtype.kind in "iub":
        common = np.result_type(ours, theirs)
        if common.kind in "iu":  # exact, also beyond 2**53: the difference wraps around rightly
            a, b = ours.astype(common), theirs.astype(common)
            difference = np.maximum(a, b).astype(np.uint64) - np.minimum(a, b).astype(np.uint64)
            exact: Floats = difference.astype(np.float64)
            return exact
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error: Floats = np.atleast_1d(np.abs(a - b))
    same = np.atleast_1d((a == b) | (np.isnan(a) & np.isnan(b)))
    error[same] = 0.0
    error[np.isnan(error)] = math.inf
    return error
