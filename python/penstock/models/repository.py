# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Local model repositories: which models and versions are on disk (contract 3.1).

Nothing is kept: every call looks at the disk. Thread safe.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Hashable, Sequence
from pathlib import Path

from penstock.errors import InvalidArgError, UnsupportedError

_LOG = logging.getLogger("penstock.models")

_REMOTE = re.compile(r"(s3|gs|as)://")
_NOT_VERSIONS = frozenset({"warmup", "initial_state", "configs", "__pycache__"})
_MAX_VERSION = 2**63 - 1


class Repository:
    """All model repositories of the server (R-1, R-2)."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Raises InvalidArgError for a path that is no directory, UnsupportedError for a remote."""
        self._roots = list(dict.fromkeys(_root(path) for path in paths))

    def scan(self) -> dict[str, tuple[Path, ...]]:
        """Model directories by name; a name with several is in several repositories (R-2).

        A repository that cannot be listed now is skipped: what is loaded of it stays.
        """
        found: dict[str, tuple[Path, ...]] = {}
        for root in self._roots:
            try:
                with os.scandir(root) as entries:
                    names = [entry.name for entry in entries if _is_folder(entry)]
            except OSError as error:
                _LOG.error("failed to list model repository '%s': %s", root, error.strerror)
                continue
            for name in names:
                found[name] = (*found.get(name, ()), root / name)
        return found

    def find(self, name: str) -> tuple[Path, ...]:
        """The directories of one model: none, one, or several when it is not unique."""
        if not is_model_name(name) or name.startswith("."):
            return ()
        return tuple(root / name for root in self._roots if os.path.isdir(root / name))


def is_model_name(name: str) -> bool:
    """Whether the name stands for one folder of a repository and nothing else (R-33)."""
    return bool(name.strip()) and name not in {".", ".."} and not set(name) & {"/", "\0"}


def check_model_name(name: str) -> None:
    """R-33. Raises InvalidArgError."""
    if not name.strip():
        raise InvalidArgError("Model name cannot be empty. Please enter a valid name to deploy.")
    if not is_model_name(name):
        raise InvalidArgError(
            f"invalid model name '{name}', model name must not contain path traversal characters"
        )


def config_path(model_dir: Path, config_name: str = "") -> Path | None:
    """The configuration file that applies (R-3); None when the model has none."""
    candidates = [model_dir / "configs" / f"{config_name}.pbtxt"] if config_name else []
    candidates.append(model_dir / "config.pbtxt")
    return next((path for path in candidates if path.exists()), None)


def list_versions(model_dir: Path) -> tuple[int, ...]:
    """The version directories, ascending (X-27). Raises OSError when it cannot be listed."""
    with os.scandir(model_dir) as entries:
        names = [entry.name for entry in entries if _is_folder(entry)]
    ignored = [name for name in names if not _is_version(name) and name not in _NOT_VERSIONS]
    for name in sorted(ignored):
        _LOG.warning("ignore version directory '%s' of '%s'", name, model_dir)
    return tuple(sorted(int(name) for name in names if _is_version(name)))


def fingerprint(model_dir: Path) -> Hashable:
    """Equal as long as no file of the model changed (R-22). Raises OSError.

    What frameworks write beside models, as Python's byte code, is left out.
    """
    files: list[tuple[str, int, int, int]] = []
    visited: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(model_dir, onerror=_raise, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()  # a link back up the tree
            continue
        visited.add((status.st_dev, status.st_ino))
        files.append((folder, 0, 0, 0))
        folders[:] = sorted(f for f in folders if f != "__pycache__" and not f.startswith("."))
        for name in sorted(names):
            files.append(_file_fingerprint(os.path.join(folder, name)))
    return tuple(files)


def _root(path: str) -> Path:
    remote = _REMOTE.match(path)
    if remote:
        raise UnsupportedError(f"{remote.group()} file-system not supported.")
    if not os.path.isdir(path):
        raise InvalidArgError(f"repository path is not a valid directory: '{path}'")
    return Path(path).resolve()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_dir()


def _is_version(name: str) -> bool:
    if not (name.isascii() and name.isdigit()) or (len(name) > 1 and name[0] == "0"):
        return False
    return len(name) < 20 and int(name) <= _MAX_VERSION


def _file_fingerprint(path: str) -> tuple[str, int, int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return path, -1, -1, -1  # a link to nowhere: it matters only to who opens it
    return path, status.st_size, status.st_mtime_ns, status.st_ino


def _raise(error: OSError) -> None:
    raise error
