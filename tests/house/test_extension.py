# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The compiled extension exports one symbol and links nothing that may be absent."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

#: opened at run time when they are there, never linked; nor is any one interpreter
NEVER_LINKED = re.compile(r"lib(cuda|cudart|nvinfer|onnxruntime|torch|tensorflow|python)")
NEVER_CALLED = re.compile(r"^(cuda[A-Z]|cu[A-Z]|nvml|OrtGetApiBase)")


def output(*command: str) -> list[str]:
    """What the command prints, by lines."""
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def extension() -> Path:
    """The file of penstock._engine."""
    spec = importlib.util.find_spec("penstock._engine")
    assert spec is not None and spec.origin is not None, "penstock is not installed: make install"
    return Path(spec.origin)


def test_it_exports_its_init_function_alone(extension: Path) -> None:
    exported = [line.split()[-1] for line in output("nm", "-D", "--defined-only", str(extension))]
    assert exported == ["PyInit__engine"]


def test_it_links_nothing_that_may_be_absent(extension: Path) -> None:
    needed = [line for line in output("readelf", "-d", str(extension)) if "(NEEDED)" in line]
    assert needed
    assert not [line for line in needed if NEVER_LINKED.search(line)]
    undefined = output("nm", "-D", "--undefined-only", str(extension))
    assert not [line for line in undefined if NEVER_CALLED.match(line.split()[-1])]
