# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The files of the repository, as the rules of the house look at them."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PUBLIC_HEADERS = CSRC / "include" / "penstock"
ENGINE = ROOT / "engine"
PACKAGE = ROOT / "python" / "penstock"
GENERATED = PACKAGE / "_proto"
HOUSE_TESTS = ROOT / "tests" / "house"

#: the folders whose files are ours
TOP_LEVEL = (
    ".ci",
    "benchmarks",
    "csrc",
    "docs",
    "engine",
    "examples",
    "protos",
    "python",
    "tests",
)
SKIPPED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "build"}
SKIPPED |= {"corpus"}  # bytes that break parsers
#: files of these kinds are made by a program, or cannot carry a comment
BINARY = {".onnx", ".so", ".pyc", ".bin", ".binpb", ".npz", ".png", ".svg"}
#: comments of Python and C++ that a rule may look for
CXX = {".h", ".cc"}
CYTHON = {".pyx", ".pxd", ".pxi"}
PYTHON = {".py", ".pyi"}


@functools.cache
def files() -> tuple[Path, ...]:
    """Every text file of the repository, without what is built or installed."""
    found = [p for p in ROOT.iterdir() if p.is_file() and p.name not in {".git"}]
    for name in TOP_LEVEL:
        for folder, folders, names in os.walk(ROOT / name):
            folders[:] = sorted(f for f in folders if f not in SKIPPED)
            found += [Path(folder) / n for n in sorted(names)]
    return tuple(p for p in found if p.suffix not in BINARY)


def with_suffix(suffixes: set[str], *folders: Path) -> Iterator[Path]:
    """Files of these kinds below any of the folders (all of them when none is named)."""
    for path in files():
        if path.suffix in suffixes and (not folders or any(f in path.parents for f in folders)):
            yield path


def short(path: Path) -> str:
    """The path as messages show it."""
    return str(path.relative_to(ROOT))


@functools.cache
def text(path: Path) -> str:
    """The file's text."""
    return path.read_text(encoding="utf-8")


@functools.cache
def tree(path: Path) -> ast.Module:
    """The parsed Python file."""
    return ast.parse(text(path), filename=str(path))
