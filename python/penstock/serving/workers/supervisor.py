# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The thread that starts worker processes and hears of everything that happens to them.

All that decides about workers runs on this one thread: what it calls never blocks, and needs no
locks. It lives as long as any of the processes, which the kernel ends with it.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import selectors
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

_LOGGER: Final = logging.getLogger(__name__)
_ResultT = TypeVar("_ResultT")


class Timer:
    """A call that is to come; it can be cancelled."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It will not come, and what it holds is let go of."""
        self.call = None


class Supervisor:
    """An event loop on a daemon thread. `call`: any thread; the rest: its own.

    The thread ends when it has nothing to watch and nothing to wait for, which is after the last
    process, and is started again by the next call.
    """

    def __init__(self) -> None:
        """Starts nothing."""
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()  # what follows: under the lock
        self._runs = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._wake)
        self._selector = selectors.DefaultSelector()  # what follows: the thread's
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._timers: list[tuple[float, int, Timer]] = []
        self._serial = itertools.count()

    def call(self, work: Callable[[], _ResultT]) -> Future[_ResultT]:
        """Has the thread do it; what it raises is the future's."""
        future: Future[_ResultT] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        with self._lock:
            self._calls.append(run)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="worker-supervisor", daemon=True).start()
            os.eventfd_write(self._wake, 1)
        return future

    def watch(self, fd: int, readable: Callable[[], None]) -> None:
        """Calls `readable` whenever there is something to read."""
        self._selector.register(fd, selectors.EVENT_READ, readable)

    def forget(self, fd: int) -> None:
        """Before the descriptor is closed; one that is not watched is nothing."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Calls once, when the time has passed."""
        timer = Timer(call)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._serial), timer))
        return timer

    def _ended(self) -> bool:
        """Whether there is nothing left to do; then the thread is none any more."""
        with self._lock:
            waits = any(timer.call is not None for _, _, timer in self._timers)
            if self._calls or waits or len(self._selector.get_map()) > 1:
                return False
            self._timers.clear()
            self._runs = False
            return True

    def _run(self) -> None:
        while not self._ended():
            self._take_events()  # functions, so that nothing is held while the thread waits
            while self._calls:
                self._guard(self._calls.popleft())
            self._take_timers()

    def _take_events(self) -> None:
        for key, _ in self._selector.select(self._until_timer()):
            if key.fd == self._wake:
                os.eventfd_read(self._wake)
            elif key.fd in self._selector.get_map():  # the one before may have forgotten it
                self._guard(key.data)

    def _take_timers(self) -> None:
        now = time.monotonic()
        while self._timers and (self._timers[0][0] <= now or self._timers[0][2].call is None):
            timer = heapq.heappop(self._timers)[2]
            if timer.call is not None:
                self._guard(timer.call)

    def _until_timer(self) -> float | None:
        if self._calls:
            return 0.0
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    @staticmethod
    def _guard(call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # the others must be watched on
            _LOGGER.exception("the supervisor of worker processes met a failure")
