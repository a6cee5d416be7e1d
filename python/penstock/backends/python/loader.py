# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Imports a Python model, with the API that it imports in its reach (contract 5.1)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

from penstock.backends.model_code import ModelModule, has_process_alone

#: The names under which models import the API; the second one is that of Triton's compiled part.
UTILS_MODULES: Final = ("triton_python_backend_utils", "c_python_backend_utils")
#: A folder of them, for processes that a model spawns: they get sys.path.
_IMPORTABLE: Final = str(Path(__file__).with_name("importable"))


def import_model(
    path: Path, name: str, version: int, *directories: Path, version_dir: Path | None = None
) -> ModelModule:
    """Executes the file. Whatever it raises comes through; nothing stays behind then.

    The rest is as ModelModule has it.
    """
    install_utils()
    return ModelModule(path, name, version, *directories, version_dir=version_dir)


def install_utils() -> None:
    """Makes `import triton_python_backend_utils` work; a module of that name is never replaced."""
    if has_process_alone() and _IMPORTABLE not in sys.path:
        sys.path.append(_IMPORTABLE)
    for name in UTILS_MODULES:
        if name not in sys.modules:
            sys.modules[name] = importlib.import_module(f"{__package__}.pb_utils")
