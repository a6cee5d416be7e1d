# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A folder of models on a disk."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.config.model_config import ParsedConfig, read_pbtxt
from penstock.errors import InvalidArgError, NotFoundError, UnavailableError
from penstock.models.files import ModelFiles
from penstock.models.identity import is_model_name
from penstock.models.layout import config_path, is_folder
from penstock.models.source import OnProgress
from penstock.models.tree import Tree, look_at


class LocalSource:
    """Nothing is kept: every call looks at the disk. Thread safe."""

    def __init__(self, path: str) -> None:
        """Raises InvalidArgError for a path that is no directory (R-1)."""
        if not os.path.isdir(path):
            raise InvalidArgError(f"repository path is not a valid directory: '{path}'")
        self._root = Path(path).resolve()
        self._identity = _identity(self._root)

    @property
    def location(self) -> str:
        """The absolute path."""
        return str(self._root)

    def names(self, *, fresh: bool = True) -> frozenset[str]:
        """The folders. Another disk in the place of the root, or none, is a failure: what was
        loaded of it is not gone."""
        try:
            if _identity(self._root) != self._identity:
                raise OSError(0, "another file system is mounted there now")
            with os.scandir(self._root) as entries:
                return frozenset(entry.name for entry in entries if is_folder(entry))
        except OSError as error:
            if not fresh:
                return frozenset()
            raise UnavailableError(
                f"failed to list model repository '{self._root}': {error.strerror}"
            ) from None

    def has(self, name: str) -> bool:
        """Whether the folder is there."""
        if not is_model_name(name) or name.startswith("."):
            return False
        return os.path.isdir(self._root / name)

    def look(self, name: str) -> Tree:
        """Raises UnavailableError."""
        try:
            return look_at(self._root / name)
        except OSError as error:
            raise UnavailableError(f"failed to read '{error.filename}': {error.strerror}") from None

    def read_config(self, name: str, config_name: str) -> ParsedConfig | None:
        """Raises InvalidArgError."""
        path = config_path(self._root / name, config_name)
        return read_pbtxt(path) if path is not None else None

    def open(self, name: str, progress: OnProgress) -> ModelFiles:
        """The folder itself. Raises NotFoundError, UnavailableError."""
        if not self.has(name):
            raise NotFoundError("no model repository has the model")
        # Before anything is read: a change while it is read counts as one for the next load.
        return ModelFiles(self._root / name, self.look(name))


def _identity(root: Path) -> int:
    """Of the file system that it is on; the folder itself may be replaced."""
    return os.stat(root).st_dev
