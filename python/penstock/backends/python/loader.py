# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Imports a Python model, with the API that it imports in its reach (contract 5.1)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

from penstock.backends.model_code import ModelModule

#: The name under which models import the API.
UTILS_MODULE: Final = "triton_python_backend_utils"


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
    if UTILS_MODULE not in sys.modules:
        sys.modules[UTILS_MODULE] = importlib.import_module(f"{__package__}.pb_utils")
