# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Waits in the background for the last requests of versions that were replaced or unloaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from penstock.models.identity import ModelId
from penstock.models.loader import Loader
from penstock.models.state import UNLOADED, ModelRecord, VersionRecord, VersionState

_LOG = logging.getLogger("penstock.models")

#: Loads of one model whose versions may wait for their last requests; a load waits for more.
_MAX_DRAINING = 4
_THREADS = 8


class Drains:
    """The drain threads. Thread safe; `lock` is the life cycle's, which guards the records."""

    def __init__(
        self, loader: Loader, lock: threading.Lock, on_drained: Callable[[], None]
    ) -> None:
        """`on_drained` is called, with nothing locked, after each version that is gone."""
        self._loader = loader
        self._lock = lock
        self._on_drained = on_drained
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="model-drain")
        #: of the ensembles that a model is a part of
        self._callers: dict[ModelId, list[Future[None]]] = {}

    def begin(self, record: ModelRecord, versions: Sequence[VersionRecord]) -> None:
        """Free versions that no new request finds, once their requests are done, and the ensembles
        that began to drain before are gone (R-24)."""
        with self._lock:
            callers = [each for each in self._callers.pop(record.model, ()) if not each.done()]
            # Those wait on threads that were given their work first: nobody waits in a circle.
            future = self._threads.submit(self._drain, record.name, versions, callers)
            record.draining = [other for other in record.draining if not other.done()]
            record.draining.append(future)
            if callers:
                self._callers[record.model] = callers
            for part in record.composing:
                going = [each for each in self._callers.get(part, ()) if not each.done()]
                self._callers[part] = [*going, future]

    def wait_for_room(self, record: ModelRecord) -> None:
        """Old versions hold memory: however often a model is reloaded, few of them wait."""
        while True:
            with self._lock:
                draining = [future for future in record.draining if not future.done()]
            if len(draining) < _MAX_DRAINING:
                return
            wait(draining, return_when=FIRST_COMPLETED)

    def close(self) -> None:
        """Wait for all of them."""
        self._threads.shutdown(wait=True)

    def _drain(
        self, name: str, versions: Sequence[VersionRecord], callers: Sequence[Future[None]]
    ) -> None:
        wait(callers)
        for version in versions:
            handle, version.handle = version.handle, None
            if handle is None:
                continue
            try:
                self._loader.unload_version(handle)
            except Exception:
                _LOG.exception("failed to unload '%s' version %d", name, version.version)
            else:
                _LOG.info("successfully unloaded '%s' version %d", name, version.version)
            if version.files is not None:
                version.files.release()
            with self._lock:
                if version.state is VersionState.UNLOADING:
                    version.move(VersionState.UNAVAILABLE, version.reason or UNLOADED)
            self._on_drained()
