# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Small files, small functions: past the aim a warning, past 1.5 times the aim a failure."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import pytest
from source_tree import CYTHON, GENERATED, ROOT, files, short, text, tree, with_suffix

#: lines a file aims for; a stub cannot be split, it describes the whole extension
AIMS = {".h": 200, ".cc": 350, ".py": 300, ".pyi": 700} | dict.fromkeys(CYTHON, 300)
TEST_AIM = 500
FUNCTION_AIM = 40
COLUMNS = 100
LIMIT = 1.5


def aim(path: Path) -> int:
    """The lines that a file of this kind aims for."""
    return TEST_AIM if ROOT / "tests" in path.parents else AIMS[path.suffix]


def check(what: str, lines: int, wanted: int) -> None:
    """Warns past the aim, fails past the limit."""
    message = f"{what} has {lines} lines and aims at {wanted}"
    assert lines <= LIMIT * wanted, f"{message}: which second responsibility is in it?"
    if lines > wanted:
        warnings.warn(message, UserWarning, stacklevel=2)


SOURCES = [p for p in files() if p.suffix in AIMS and GENERATED not in p.parents]


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_files_are_small(path: Path) -> None:
    check(short(path), text(path).count("\n"), aim(path))


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_lines_are_short(path: Path) -> None:
    long = [n for n, line in enumerate(text(path).splitlines(), 1) if len(line) > COLUMNS]
    assert not long, f"{short(path)}: lines {long} are longer than {COLUMNS} columns"


@pytest.mark.parametrize(
    "path", [p for p in with_suffix({".py"}) if GENERATED not in p.parents], ids=short
)
def test_functions_are_small(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
            check(f"{short(path)}: {node.name}()", lines, FUNCTION_AIM)
