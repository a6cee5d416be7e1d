# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The local cache of stored objects: by content, bounded, verified, and never half-filled.

    <root>/content/ab/ab12...   an object, named by its SHA-256
    <root>/known/<hash>         which content an object (place, key, entity tag, size) had
    <root>/partial/<hash>       a download that goes on, or that the next attempt goes on with
    <root>/models/<pid>-<n>/    folders that models are loaded from: links to contents

It survives restarts, and several servers may share it: files appear by rename, complete. What does
not match its name any more is thrown away and fetched again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_CHUNK_BYTES = 1 << 20
#: A download that nobody went on with for so long is given up.
_PARTIAL_S = 24 * 3600.0


class ContentCache:
    """Thread safe. Methods raise OSError when the disk does not do what they need."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        """`max_bytes`: of contents; those that were used last stay."""
        self._root = root
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        for name in ("content", "known", "partial", "models"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._own = _Claim(root / "models" / f"{os.getpid()}-{os.urandom(4).hex()}")
        self._remove_left_overs()

    def find(self, key: str, size: int) -> Path | None:
        """The content that is known for an object; None when it is not here, or not whole."""
        known = self._root / "known" / _hash(key)
        try:
            digest = known.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        if len(digest) != 64 or not digest.isalnum():
            known.unlink(missing_ok=True)
            return None
        path = self._content(digest)
        try:
            if path.stat().st_size == size and file_digest(path) == digest:
                os.utime(path)  # it was used now
                return path
        except OSError:
            return None
        path.unlink(missing_ok=True)
        known.unlink(missing_ok=True)
        return None

    @contextlib.contextmanager
    def partial(self, key: str) -> Iterator[Path | None]:
        """The file that an object is downloaded to; None while another one downloads it."""
        path = self._root / "partial" / _hash(key)
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield None
                return
            # Who had it before may have finished it, and its name is gone or another's.
            same = path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))
            yield path if same else None

    def add(self, key: str, partial: Path) -> Path:
        """A complete download becomes content."""
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        digest = file_digest(partial)
        path = self._content(digest)
        path.parent.mkdir(exist_ok=True)
        partial.chmod(0o444)  # models share it
        partial.replace(path)
        known = self._root / "known" / _hash(key)
        written = known.with_name(f"{known.name}.{os.getpid()}.{next(self._numbers)}")
        written.write_text(digest, "ascii")
        written.replace(known)
        self._shrink(keep=path)
        return path

    def new_folder(self) -> Path:
        """A folder of this process, for one model; remove_folder() ends it."""
        folder = self._own.path / str(next(self._numbers))
        folder.mkdir()
        return folder

    def remove_folder(self, folder: Path) -> None:
        """What is in use by somebody stays until they close it."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove this process's folders."""
        self._own.remove()

    @property
    def size_bytes(self) -> int:
        """Of all contents."""
        return sum(size for _, size, _ in self._contents())

    def _content(self, digest: str) -> Path:
        return self._root / "content" / digest[:2] / digest

    def _contents(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in (self._root / "content").glob("*/*"):
            with contextlib.suppress(OSError):  # another process has just removed it
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found

    def _shrink(self, keep: Path) -> None:
        with self._lock:
            contents = sorted(self._contents())
            total = sum(size for _, size, _ in contents)
            for _, size, path in contents:
                if total <= self._max_bytes:
                    return
                if path != keep:
                    path.unlink(missing_ok=True)
                    total -= size

    def _remove_left_overs(self) -> None:
        """Folders of processes that are gone, names of contents that are, old downloads."""
        for known in (self._root / "known").iterdir():
            with contextlib.suppress(OSError, UnicodeDecodeError):
                if not self._content(known.read_text("ascii")).exists():
                    known.unlink()
        for partial in (self._root / "partial").iterdir():
            with contextlib.suppress(OSError):  # who downloads writes
                if time.time() - partial.stat().st_mtime > _PARTIAL_S:
                    partial.unlink()
        for folder in (self._root / "models").iterdir():
            if folder.suffix != ".lock" and folder != self._own.path and not _claimed(folder):
                shutil.rmtree(folder, ignore_errors=True)
                folder.with_name(folder.name + ".lock").unlink(missing_ok=True)


class _Claim:
    """A folder that is ours as long as this process lives: a lock on a file beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._file = self._lock_path.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        path.mkdir()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)
        self._file.close()


def _claimed(folder: Path) -> bool:
    try:
        with folder.with_name(folder.name + ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
