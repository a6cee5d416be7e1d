# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Where a load is, and where its time went."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_LOG = logging.getLogger("penstock.models")

#: Between two lines about the same work.
_EVERY_S = 2.0


class LoadProgress:
    """One load of one model. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._seconds: float | None = None  # once it has ended
        self._stage = ""
        self._stages: dict[str, float] = {}
        self._bytes = (0, 0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The load is at this stage inside the block."""
        began = time.monotonic()
        with self._lock:
            self._stage = name
        try:
            yield
        finally:
            self.add({name: time.monotonic() - began})

    def add(self, stages: Mapping[str, float]) -> None:
        """Time of stages that were measured elsewhere; of versions that load side by side the
        longest counts."""
        with self._lock:
            for name, seconds in stages.items():
                self._stages[name] = max(self._stages.get(name, 0.0), seconds)

    def fetched(self, done_bytes: int, total_bytes: int) -> None:
        """So much of a model in a store is here."""
        with self._lock:
            self._bytes = (done_bytes, total_bytes)

    def end(self) -> None:
        """The load is over."""
        with self._lock:
            self._seconds = time.monotonic() - self._began
            self._stage = ""

    def snapshot(self) -> dict[str, Any]:
        """`seconds` so far; `stage`: "" at the end; `stages`: seconds by name; bytes fetched."""
        with self._lock:
            running = time.monotonic() - self._began
            return {
                "seconds": round(running if self._seconds is None else self._seconds, 6),
                "stage": self._stage,
                "stages": {name: round(spent, 6) for name, spent in self._stages.items()},
                "fetched_bytes": self._bytes[0],
                "total_bytes": self._bytes[1],
            }

    def __str__(self) -> str:
        """`1.20 s (fetch 0.80, load 0.35)`: stages that took no time are left out."""
        shown = self.snapshot()
        parts = [f"{name} {spent:.2f}" for name, spent in shown["stages"].items() if spent >= 0.005]
        return f"{shown['seconds']:.2f} s" + (f" ({', '.join(parts)})" if parts else "")


class Tally:
    """Says now and then how much of a long piece of work is done. Thread safe."""

    def __init__(self, text: str, total: int) -> None:
        """`text`: with places for two numbers."""
        self._text = text
        self._total = total
        self._done = 0
        self._said_at = time.monotonic()
        self._lock = threading.Lock()

    def count(self) -> None:
        """One more is done."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            if now - self._said_at < _EVERY_S or self._done == self._total:
                return
            self._said_at, done = now, self._done
        _LOG.info(self._text, done, self._total)
