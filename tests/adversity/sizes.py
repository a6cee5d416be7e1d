# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How much abuse: what every change can afford, or, with PENSTOCK_FULL=1, all of it."""

from __future__ import annotations

import os

FULL = os.environ.get("PENSTOCK_FULL") == "1"


def size(usual: int, full: int) -> int:
    """The one of the two that this run is for."""
    return full if FULL else usual


def report(figure: str) -> None:
    """A measured figure, for those who read the output of a full run (pytest -s)."""
    if FULL:
        print(f"\n    {figure}", end="", flush=True)
