# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The folder of environments that were built: by content, bounded, and never half-built.

    <root>/<key>/        an environment
    <root>/<key>.ready   it is complete; the file's time is the last use, its text the size in bytes
    <root>/<key>.lock    locked shared by those who use it, exclusively by who builds or removes it

It survives restarts, and several servers may share it. Environments know their own place, so they
are built where they stay; what has no mark is built anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from penstock.errors import InternalError

_LOGGER: Final = logging.getLogger(__name__)


class StoredEnvironment:
    """One that is in use: it is not removed before `release`."""

    def __init__(self, path: Path, lock: BinaryIO) -> None:
        self.path = path
        self._lock = lock

    def release(self) -> None:
        """It is not used any more."""
        self._lock.close()


class EnvironmentStore:
    """Thread safe. Everything may block for as long as somebody builds."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        """Makes nothing. `max_bytes`: of what is not in use; those that were used last stay."""
        self._root = root
        self.max_bytes = max_bytes
        self._shrinking = threading.Lock()

    def open(self, key: str, build: Callable[[Path, int], None]) -> StoredEnvironment:
        """The environment of that key, built by who comes first; the others wait.

        `build` gets an empty folder, and a descriptor to be inherited by every process that writes
        there: as long as one lives, nobody else does. Raises what it raises, and InternalError when
        the disk does not do what is needed.
        """
        try:
            self._make_root()
            while True:
                lock = self._locked(key, fcntl.LOCK_SH)
                if self._ready(key):
                    os.utime(self._mark(key))
                    return StoredEnvironment(self._root / key, lock)
                lock.close()
                with self._locked(key, fcntl.LOCK_EX) as lock:
                    if not self._ready(key):
                        self._build(key, build, lock.fileno())
                self._shrink()
        except OSError as error:
            raise InternalError(
                f"the environment cache '{self._root}' cannot be used: {error.strerror}; name "
                f"another folder with --environment-cache-directory"
            ) from error

    def _build(self, key: str, build: Callable[[Path, int], None], lock_fd: int) -> None:
        path = self._root / key
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        started = time.monotonic()
        try:
            build(path, lock_fd)
            size = _size_bytes(path)
            if size > self.max_bytes:
                raise InternalError(
                    f"it takes {size} bytes, and --environment-cache-byte-size is {self.max_bytes}"
                )
            os.sync()  # a power cut must not leave the mark without the files
            written = self._root / f"{key}.marking"
            written.write_text(str(size))
            written.replace(self._mark(key))
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        seconds = time.monotonic() - started
        _LOGGER.info("environment '%s' was built in %.1f s: %d bytes", path, seconds, size)

    def _shrink(self) -> None:
        """Removes what was used longest ago, and what somebody began and did not end."""
        with self._shrinking:
            ready: list[tuple[float, int, str]] = []
            for lock in self._root.glob("*.lock"):
                with contextlib.suppress(OSError, ValueError):  # somebody has just removed it
                    if self._ready(lock.stem):
                        mark = self._mark(lock.stem)
                        ready.append((mark.stat().st_mtime, int(mark.read_text()), lock.stem))
                    elif (self._root / lock.stem).exists():
                        self._remove(lock.stem)
            total = sum(size for _, size, _ in ready)
            for _, size, key in sorted(ready):
                if total <= self.max_bytes:
                    return
                if self._remove(key):
                    total -= size

    def _remove(self, key: str) -> bool:
        """False when somebody uses or builds it."""
        path = self._lock_path(key)
        try:
            with path.open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._mark(key).unlink(missing_ok=True)
                shutil.rmtree(self._root / key, ignore_errors=True)
                path.unlink()
        except OSError:
            return False
        return True

    def _locked(self, key: str, kind: int) -> BinaryIO:
        path = self._lock_path(key)
        while True:
            lock = path.open("ab")
            try:
                fcntl.flock(lock, kind)
                if os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                    return lock
            except FileNotFoundError:
                pass  # it was removed meanwhile: the next one is another file
            except BaseException:
                lock.close()
                raise
            lock.close()

    def _make_root(self) -> None:
        """Programs are run from there, so nobody else may write there. Raises InternalError."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._root.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise InternalError(
                f"the environment cache '{self._root}' must belong to the server's user, and "
                f"nobody else may write there: chown it, and chmod go-w"
            )

    def _ready(self, key: str) -> bool:
        return self._mark(key).exists()

    def _mark(self, key: str) -> Path:
        return self._root / f"{key}.ready"

    def _lock_path(self, key: str) -> Path:
        return self._root / f"{key}.lock"


def _size_bytes(path: Path) -> int:
    """What a folder takes on the disk."""
    return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in _entries(path))


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))
