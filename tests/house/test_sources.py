# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What every source file has, and what none has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from source_tree import (
    CSRC,
    CXX,
    CYTHON,
    GENERATED,
    HOUSE_TESTS,
    PACKAGE,
    PUBLIC_HEADERS,
    PYTHON,
    ROOT,
    files,
    short,
    text,
    tree,
    with_suffix,
)

LICENSE_LINES = (
    "SPDX-License-Identifier: Apache-2.0",
    "Copyright (c) 2026 The Penstock Authors",
)
LICENSED = CXX | CYTHON | PYTHON | {".proto", ".pbtxt", ".sh", ".toml"}
LICENSED_NAMES = {"CMakeLists.txt", "Makefile", "run"}

#: test data that is broken, or compared byte by byte, on purpose
DATA = {"data", "golden"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|NotImplemented" r"Error")
MACHINE_PATHS = re.compile(r"(?<![\w.$}/-])/(work|root|home)/\w")
VAGUE = {"util", "utils", "common", "misc", "helper", "helpers"}


def is_test_data(path: Path) -> bool:
    """Is the file input of a test, not a source?"""
    return ROOT / "tests" in path.parents and bool(DATA & set(path.parts))


def test_sources_begin_with_the_license() -> None:
    for path in files():
        if is_test_data(path) or not (path.suffix in LICENSED or path.name in LICENSED_NAMES):
            continue
        head = text(path).splitlines()[:4]
        if not text(path).strip():
            continue
        for line in LICENSE_LINES:
            assert any(h.endswith(line) for h in head), f"{short(path)} lacks: {line}"


def test_no_vague_names() -> None:
    for path in files():
        for part in path.relative_to(ROOT).parts:
            words = set(re.split(r"[._-]", part.lower()))
            # The names that Triton's own API gives.
            if "python_backend_utils" not in part and "pb_utils" not in part:
                assert not words & VAGUE, f"{short(path)}: name it by what it is for"


def test_nothing_is_left_unfinished() -> None:
    for path in files():
        if found := UNFINISHED.search(text(path)):
            raise AssertionError(f"{short(path)}: {found.group()}")


def test_no_path_of_one_machine() -> None:
    for path in files():
        if path.parent != HOUSE_TESTS and (found := MACHINE_PATHS.search(text(path))):
            raise AssertionError(f"{short(path)}: {found.group()}")


@pytest.mark.parametrize("path", list(with_suffix({".h"}, CSRC)), ids=short)
def test_headers_open_with_their_contract(path: Path) -> None:
    opening = text(path).split("#pragma once")[0]
    assert opening != text(path), f"{short(path)} lacks #pragma once"
    assert len(opening.splitlines()) > len(LICENSE_LINES) + 1, f"{short(path)}: say what it is for"
    if path.parent == PUBLIC_HEADERS:
        assert "hread safety" in opening, f"{short(path)}: say what is thread safe"


#: lines below a comment that it speaks for (and one above): a statement may be broken over some
COMMENT_REACH = 5
WEAK_ORDER = re.compile(r"memory_order(_|::)(relaxed|acquire|release|acq_rel|consume)")


@pytest.mark.parametrize("path", list(with_suffix(CXX, CSRC)), ids=short)
def test_weak_atomics_say_what_they_pair_with(path: Path) -> None:
    lines = text(path).splitlines()
    for number, line in enumerate(lines):
        if WEAK_ORDER.search(line):
            nearby = lines[max(0, number - COMMENT_REACH) : number + 2]
            assert any("//" in near for near in nearby), (
                f"{short(path)}:{number + 1}: name what this order pairs with"
            )


SIZE_PRODUCT = re.compile(
    r"\*=?\s*(\w+(\.|->))*(dims|shape)(\(\))?\[|(dims|shape)(\(\))?\[[^\]]*\]\s*\*"
)


@pytest.mark.parametrize("path", list(with_suffix(CXX, CSRC)), ids=short)
def test_sizes_are_multiplied_in_base_only(path: Path) -> None:
    if path.parent != CSRC / "base":
        for number, line in enumerate(text(path).splitlines(), 1):
            assert not SIZE_PRODUCT.search(line), (
                f"{short(path)}:{number}: use element_count, byte_size or checked_mul"
            )


def dangers(module: ast.Module) -> list[str]:
    """Ways to run what came from outside: pickle, eval, a shell."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        found += [n for n in names if n.split(".")[0] in {"pickle", "marshal", "shelve", "dill"}]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"eval", "exec", "os.system", "os.popen"}:
                found.append(called)
            found += [
                "shell=True"
                for keyword in node.keywords
                if keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
            ]
    return found


def test_the_package_runs_no_foreign_text() -> None:
    for path in with_suffix({".py"}, PACKAGE):
        if GENERATED not in path.parents:
            assert not dangers(tree(path)), f"{short(path)}: {dangers(tree(path))}"


def test_the_rule_on_foreign_text_sees_each_danger() -> None:
    source = "import pickle\nfrom marshal import loads\neval('1')\nrun('x', shell=True)\n"
    assert dangers(ast.parse(source)) == ["pickle", "marshal", "eval", "shell=True"]
