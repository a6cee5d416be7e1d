# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the files of a model are, and which of them changed (better than R-22: by content).

A file whose size and times are as before is taken for unchanged. One whose times alone differ is
compared by its digest, so that touching a file changes nothing, and writing over one does, whatever
its times say. In an object store the entity tag stands for the content.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Stamp:
    """What can be known of a file without reading it. Times in ns; 0 where a store has none."""

    size: int
    modified_ns: int = 0
    changed_ns: int = 0  # by the kernel's clock: nobody can set it back
    inode: int = 0
    etag: str = ""


@dataclass(frozen=True)
class Tree:
    """One look at a model's files: relative path -> stamp, and the folders. Thread safe."""

    files: Mapping[str, Stamp]
    folders: frozenset[str]
    #: where the files can be read; None: in a store
    root: Path | None = None
    #: when something was written here last; 0: unknown. A folder that is renamed as a whole, once
    #: it is complete, keeps what it has.
    newest_ns: int = field(default=0, compare=False)
    _digests: dict[str, bytes | None] = field(default_factory=dict, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(stamp.size for stamp in self.files.values())

    def digest(self, path: str) -> bytes | None:
        """Of the content that belongs to the file's stamp; None when that is gone."""
        with self._lock:
            if path not in self._digests:
                self._digests[path] = self._read(path)
            return self._digests[path]

    def remember_content(self) -> None:
        """Read what was not read yet, so that later looks can be compared with this one."""
        for path in self.files:
            self.digest(path)

    def changes_since(self, old: Tree) -> frozenset[str]:
        """The paths that are new, gone, or of other content."""
        paths = self.files.keys() | old.files.keys()
        changed = {path for path in paths if not self._same(old, path)}
        return frozenset(changed | (self.folders ^ old.folders))

    def _same(self, old: Tree, path: str) -> bool:
        stamp, before = self.files.get(path), old.files.get(path)
        if stamp is None or before is None or stamp.size != before.size:
            return False
        if stamp == before:
            return True
        if stamp.etag or before.etag:
            return stamp.etag == before.etag
        digest = self.digest(path)  # also when there is nothing to compare it with: now there is
        return digest is not None and digest == old.digest(path)

    def _read(self, path: str) -> bytes | None:
        if self.root is None:
            return self.files[path].etag.encode() or None
        digest = hashlib.blake2b(digest_size=32)
        try:
            with open(self.root / path, "rb") as file:
                if _stamp(os.fstat(file.fileno())) != self.files[path]:
                    return None
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
                unchanged = _stamp(os.fstat(file.fileno())) == self.files[path]
        except OSError:
            return None
        return digest.digest() if unchanged else None


def look_at(model_dir: Path) -> Tree:
    """The files of a model in a folder. Raises OSError.

    What frameworks write beside models, as Python's byte code, and hidden files are left out.
    """
    files: dict[str, Stamp] = {}
    folders: set[str] = set()
    visited: set[tuple[int, int]] = set()
    newest_ns = 0
    to_visit = [("", os.fspath(model_dir))]
    while to_visit:
        prefix, folder = to_visit.pop()
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            continue  # a link back up the tree
        visited.add((status.st_dev, status.st_ino))
        if prefix:
            folders.add(prefix[:-1])
            newest_ns = max(newest_ns, status.st_mtime_ns)
        below = []
        for entry in _entries(folder):
            if _is_folder(entry):
                if entry.name != "__pycache__":
                    below.append((f"{prefix}{entry.name}/", entry.path))
            else:
                stamp = files[prefix + entry.name] = _stamp_of(entry)
                newest_ns = max(newest_ns, stamp.changed_ns)
        to_visit += sorted(below, reverse=True)  # which of two links counts is always the same
    return Tree(files, frozenset(folders), model_dir, newest_ns)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """All but the hidden ones. Raises OSError."""
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere
        return False


def _stamp_of(entry: os.DirEntry[str]) -> Stamp:
    try:
        return _stamp(entry.stat())
    except FileNotFoundError:
        return Stamp(-1)  # a link to nowhere: it matters only to who opens it


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
