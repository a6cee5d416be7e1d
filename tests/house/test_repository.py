# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Files that must agree with each other: versions, generated code, documents, make targets."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from source_tree import GENERATED, ROOT, files, short, text

DOCUMENTS = [p for p in files() if p.suffix == ".md"]


def test_one_version() -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["version"]
    package = re.search(r'__version__ = "(.*)"', text(ROOT / "python/penstock/__init__.py"))
    cmake = re.search(r"project\(penstock VERSION (\S+)", text(ROOT / "CMakeLists.txt"))
    assert package and cmake
    assert package.group(1) == cmake.group(1) == project
    assert f"## {project}" in text(ROOT / "CHANGELOG.md")


def test_generated_code_is_that_of_the_protos(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "protos/generate.py"), str(tmp_path)], check=True)
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert made
    for name, content in made.items():
        assert (GENERATED / name).read_bytes() == content, f"run protos/generate.py: {name} differs"
    stale = {p.name for p in GENERATED.glob("*_pb2*")} - set(made)
    assert not stale, f"no proto makes these: {stale}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_links_of_documents_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(path)):
        if not re.match(r"[a-z]+:", link):
            assert (path.parent / link).exists(), f"{short(path)} links {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_documented_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.M))
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text(path), re.M):
        assert target in targets, f"{short(path)} names make {target}"


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest puts every test folder on one path, so a name that occurs twice hides a module."""
    seen: dict[str, Path] = {}
    for path in files():
        if path.suffix == ".py" and ROOT / "tests" in path.parents and path.name != "conftest.py":
            other = seen.setdefault(path.name, path)
            assert other == path, f"{short(path)} has the name of {short(other)}"
