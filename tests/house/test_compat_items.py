# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Every item of the protocols, schedulers, metrics, options and traces stands in the document."""

from __future__ import annotations

import re

import pytest
from source_tree import ROOT

#: prefix -> the numbers that there are
ITEMS: dict[str, list[int]] = {
    "H": [*range(1, 50)],
    "B": [*range(1, 4)],
    "SHM": [*range(1, 9)],
    "REP": [*range(1, 5)],
    "GEN": [*range(1, 8)],
    "G": [*range(1, 33)],
    "S": [*range(1, 10), *range(20, 33), *range(40, 52)],
    "M": [*range(1, 24), *range(30, 35)],
    "O": [*range(1, 72)],
    "T": [*range(1, 9), *range(20, 24)],
}
STATE = re.compile(r"^(same|better|refused|no effect|theirs)\b")


def rows() -> list[list[str]]:
    text = (ROOT / "docs" / "compat_items.md").read_text()
    lines = [line for line in text.splitlines() if re.match(r"\| [A-Z]+-\d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("prefix", ITEMS)
def test_every_item_has_a_row(prefix: str) -> None:
    found = [item for row in rows() for item in row[0].split(", ")]
    numbers = [int(item.partition("-")[2]) for item in found if item.startswith(f"{prefix}-")]
    assert sorted(numbers) == ITEMS[prefix]


def test_every_row_has_a_state() -> None:
    for items, what, state in rows():
        assert what and STATE.match(state), items
