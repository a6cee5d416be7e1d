# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tables on the console, as Triton prints them at the start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: A reason longer than this is cut in a table; the log and the index have all of it.
_MAX_CELL_CHARS = 120


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines and columns; control characters are escaped, so that no cell breaks the table."""
    cells = [[_cell(value) for value in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+\n"
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |\n" for row in cells]
    return "".join((rule, lines[0], rule, *lines[1:], rule if len(lines) > 1 else ""))


def _cell(value: str) -> str:
    text = " ".join(value.split())
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(text) <= _MAX_CELL_CHARS else f"{text[:_MAX_CELL_CHARS]}..."
