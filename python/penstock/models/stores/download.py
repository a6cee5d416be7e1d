# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Brings the objects of a model into the cache: in parallel, in parts, and resumable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from penstock.errors import InternalError, UnavailableError
from penstock.models.stores.cache import ContentCache
from penstock.models.stores.objects import ObjectStore, StoredObject

#: Of one request: at the time-out's end so much must have come, else the next attempt goes on
#: behind it.
PART_BYTES = 4 << 20
_THREADS = 8
#: Attempts at one part, on top of those of the store's own.
_ATTEMPTS = 3
_BUSY_WAIT_S = 0.05


class Downloader:
    """Thread safe. `place` tells this store's objects from those of another one."""

    def __init__(self, store: ObjectStore, cache: ContentCache, place: str) -> None:
        self._store = store
        self._cache = cache
        self._place = place
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="model-fetch")

    def fetch(
        self, objects: Sequence[StoredObject], progress: Callable[[int, int], None]
    ) -> list[Path]:
        """Where they are now, in their order. Raises ServerError when one of them cannot be had."""
        counter = _Counter(sum(one.size for one in objects), progress)
        futures = [self._threads.submit(self._fetch, one, counter) for one in objects]
        try:
            return [future.result() for future in futures]
        except BaseException:
            counter.stop()
            for future in futures:
                future.cancel()
            raise

    def close(self) -> None:
        """Wait for what is being fetched."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _fetch(self, wanted: StoredObject, counter: _Counter) -> Path:
        key = f"{self._place}\n{wanted.key}\n{wanted.etag}\n{wanted.size}\n{wanted.modified_ns}"
        try:
            while True:
                found = self._cache.find(key, wanted.size)
                if found is not None:
                    counter.add(wanted.size)
                    return found
                with self._cache.partial(key) as partial:
                    if partial is not None:
                        self._download(wanted, partial, counter)
                        return self._cache.add(key, partial)
                counter.check()
                time.sleep(_BUSY_WAIT_S)  # another thread or process fetches it
        except OSError as error:
            raise InternalError(
                f"failed to store '{wanted.key}' in the model cache: {error.strerror or error}"
            ) from None

    def _download(self, wanted: StoredObject, partial: Path, counter: _Counter) -> None:
        """Go on where the last attempt ended."""
        with partial.open("r+b") as file:
            at = file.seek(0, 2)
            if at > wanted.size:
                at = file.truncate(0)
            counter.add(at)
            file.seek(at)
            while at < wanted.size:
                counter.check()
                data = self._part(wanted, at, min(at + PART_BYTES, wanted.size))
                file.write(data)
                at += len(data)
                counter.add(len(data))
            file.flush()

    def _part(self, wanted: StoredObject, start: int, end: int) -> bytes:
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            try:
                return self._store.read(wanted.key, wanted.etag, start, end)
            except UnavailableError as error:
                if attempts_left == 0 or "has changed meanwhile" in error.message:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")


class _Counter:
    """How much is here. Thread safe; once one object failed, the others end soon."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._stopped = False
        self._lock = threading.Lock()
        progress(0, total)

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            done = self._done
        self._progress(done, self._total)

    def stop(self) -> None:
        self._stopped = True

    def check(self) -> None:
        """Raises when it is in vain to go on."""
        if self._stopped:
            raise UnavailableError("another file of the model could not be fetched")
