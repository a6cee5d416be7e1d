# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Where the CUDA runtime may be: the core opens it, and is told where to look."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

#: Where the dynamic loader finds them; the newest first, after what a developer's toolkit chooses.
_USUAL: Final = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11")
#: Inside the wheels that frameworks bring along, of CUDA 13 and before.
_IN_WHEELS: Final = ("cu13/lib/libcudart.so.*", "cuda_runtime/lib/libcudart.so.*")


def cuda_runtime_libraries() -> tuple[str, ...]:
    """Names and paths to try, one after the other."""
    spec = find_spec("nvidia")
    folders = [] if spec is None else [*(spec.submodule_search_locations or ())]
    found = (
        str(path)
        for folder in folders
        for pattern in _IN_WHEELS
        for path in sorted(Path(folder).glob(pattern), reverse=True)
    )
    return (*_USUAL, *found)
