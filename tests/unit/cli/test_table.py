# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tables on the console."""

from __future__ import annotations

from penstock.cli.table import format_table


def test_columns_are_as_wide_as_their_cells() -> None:
    table = format_table(("Model", "Version", "Status"), [("m", "1", "READY"), ("longer", "2", "")])
    assert table == (
        "+--------+---------+--------+\n"
        "| Model  | Version | Status |\n"
        "+--------+---------+--------+\n"
        "| m      | 1       | READY  |\n"
        "| longer | 2       |        |\n"
        "+--------+---------+--------+\n"
    )


def test_no_rows() -> None:
    assert format_table(("A",), []) == "+---+\n| A |\n+---+\n"


def test_a_cell_cannot_break_the_table() -> None:
    table = format_table(("A",), [("x\n| forged |\x1b[2J",), ("y" * 500,)])
    lines = table.splitlines()
    assert len(lines) == 6
    assert len({len(line) for line in lines}) == 1
    assert table.replace("\n", "").isprintable()
    assert max(map(len, lines)) < 140
