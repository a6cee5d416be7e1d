# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The compiled programs of the benchmarks, and the folder that they are built in."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import ROOT

#: `make bench` builds them here.
DEFAULT_BUILD = ROOT / "build" / "release"

_build = DEFAULT_BUILD


def use_build(folder: Path) -> None:
    """From now on programs are taken from this build folder."""
    global _build
    _build = folder


def program(name: str) -> Path:
    """The program, as `benchmarks/<name>` of the build folder. Raises RuntimeError without it."""
    path = _build / "benchmarks" / name
    if not path.exists():
        target = f"cmake --build --preset release --target {path.name}"
        raise RuntimeError(f"{path.name} is not built: cmake --preset release && {target}")
    return path
