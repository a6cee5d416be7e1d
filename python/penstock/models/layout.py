# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How the folder of a model is laid out (contract 3.1, R-3, X-27)."""

from __future__ import annotations

import logging
import os
from pathlib import Path

_LOG = logging.getLogger("penstock.models")

_NOT_VERSIONS = frozenset({"warmup", "initial_state", "configs", "__pycache__"})
_MAX_VERSION = 2**63 - 1


def config_names(config_name: str = "") -> tuple[str, ...]:
    """The configuration files that may apply, the one that comes first wins (R-3)."""
    named = (f"configs/{config_name}.pbtxt",) if config_name else ()
    return (*named, "config.pbtxt")


def config_path(model_dir: Path, config_name: str = "") -> Path | None:
    """The configuration file that applies; None when the model has none."""
    paths = (model_dir / name for name in config_names(config_name))
    return next((path for path in paths if path.exists()), None)


def list_versions(model_dir: Path) -> tuple[int, ...]:
    """The version directories, ascending (X-27). Raises OSError when it cannot be listed."""
    with os.scandir(model_dir) as entries:
        names = [entry.name for entry in entries if is_folder(entry)]
    ignored = [name for name in names if not is_version(name) and name not in _NOT_VERSIONS]
    for name in sorted(ignored):
        _LOG.warning("ignore version directory '%s' of '%s'", name, model_dir)
    return tuple(sorted(int(name) for name in names if is_version(name)))


def is_version(name: str) -> bool:
    """Whether a folder of that name holds a version of the model."""
    if not (name.isascii() and name.isdigit()) or (len(name) > 1 and name[0] == "0"):
        return False
    return len(name) < 20 and int(name) <= _MAX_VERSION


def is_folder(entry: os.DirEntry[str]) -> bool:
    """A folder that is not hidden; a link to one counts."""
    return not entry.name.startswith(".") and entry.is_dir()
