# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Builds the drivers of machines that are not there, from the C and C++ files beside this one."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent


def compile_library(source: str, target: Path) -> Path:
    """A shared library of one file; returns `target`."""
    cxx = source.endswith(".cc")
    compiler = ["g++", "-std=c++20", "-pthread"] if cxx else ["gcc", "-std=c17"]
    subprocess.run(
        [*compiler, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        + ["-o", target, _SOURCES / source],
        check=True,
        timeout=60,
    )
    return target
