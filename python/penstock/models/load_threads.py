# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The load threads: so many loads at a time, and each for so long (reliability D4).

A load runs on a thread of its own, for which a load thread waits. One that does not end in time is
cut where that can be done (a worker process is killed), else left behind: the load thread is free,
and what the load brings in the end is thrown away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from penstock.errors import UnavailableError

_LOG: Final = logging.getLogger("penstock.models")

#: Each holds a thread, and what it had loaded so far.
MOST_LEFT_BEHIND: Final = 16
#: How long loads may go on when the server stops.
_CLOSE_S: Final = 5.0

ResultT = TypeVar("ResultT")


class LoadThreads:
    """Thread safe."""

    def __init__(self, count: int, timeout_s: float) -> None:
        """`timeout_s`: of one load, without its time in the queue; 0: for ever."""
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="model-load")
        self._lock = threading.Lock()
        self._left_behind = 0
        self._waking: set[threading.Event] = set()
        self._closing = False
        self._ending: threading.Timer | None = None

    def submit(
        self,
        name: str,
        work: Callable[[], ResultT],
        *,
        cut: Callable[[], bool],
        discard: Callable[[ResultT], None],
    ) -> Future[ResultT]:
        """Does the work when a load thread is free; the future has what it returns or raises.

        When its time is over the future has an UnavailableError. `cut` is asked to end the work
        then, and says whether it could; `discard` gets what the work returns when nobody waits for
        it. `name`: of the log.
        """
        try:
            return self._threads.submit(self._bounded, name, work, cut, discard)
        except RuntimeError:  # closed
            refused: Future[ResultT] = Future()
            refused.set_exception(UnavailableError("Server not ready"))
            return refused

    def end_soon(self) -> None:
        """The server stops: loads may go on a little; those that hang are given up then."""
        with self._lock:
            if self._ending is None:
                self._ending = threading.Timer(_CLOSE_S, self._give_up)
                self._ending.daemon = True
                self._ending.start()

    def close(self) -> None:
        """Wait for the loads that run, as end_soon() says; there are no more."""
        self.end_soon()
        self._threads.shutdown(wait=True)
        assert self._ending is not None
        self._ending.cancel()

    def _give_up(self) -> None:
        with self._lock:
            self._closing = True
            for waking in self._waking:
                waking.set()

    def _bounded(
        self,
        name: str,
        work: Callable[[], ResultT],
        cut: Callable[[], bool],
        discard: Callable[[ResultT], None],
    ) -> ResultT:
        self._check_room()
        outcome: Future[ResultT] = Future()
        threading.Thread(target=_run, args=(work, outcome), name="model-load", daemon=True).start()
        self._wait(outcome)
        if outcome.done():
            return outcome.result()
        why = self._why(was_cut=cut())
        _LOG.error("failed to load %s: %s", name, why)
        with self._lock:
            self._left_behind += 1
        outcome.add_done_callback(lambda done: self._throw_away(name, done, discard))
        raise UnavailableError(why)

    def _check_room(self) -> None:
        with self._lock:
            if self._left_behind < MOST_LEFT_BEHIND:
                return
        raise UnavailableError(
            f"{MOST_LEFT_BEHIND} loads that did not end in time still go on; restart the server to "
            f"load more"
        )

    def _wait(self, outcome: Future[ResultT]) -> None:
        """Until the work is done, its time is over or the server stops."""
        waking = threading.Event()
        outcome.add_done_callback(lambda done: waking.set())
        with self._lock:
            self._waking.add(waking)
            if self._closing:
                waking.set()
        waking.wait(self._timeout_s or None)
        with self._lock:
            self._waking.discard(waking)

    def _why(self, *, was_cut: bool) -> str:
        if self._closing:
            return "the server stops, and the load did not end"
        what = "its worker process was ended" if was_cut else "it cannot be stopped, and goes on"
        return (
            f"it did not load within {self._timeout_s:g} seconds "
            f"(--model-load-timeout-secs): {what}"
        )

    def _throw_away(
        self, name: str, outcome: Future[ResultT], discard: Callable[[ResultT], None]
    ) -> None:
        with self._lock:
            self._left_behind -= 1
        if outcome.exception() is not None:
            return
        _LOG.warning("the load of %s, which was given up, has ended: it is thrown away", name)
        discard(outcome.result())


def _run(work: Callable[[], ResultT], outcome: Future[ResultT]) -> None:
    try:
        result = work()
    except BaseException as error:
        outcome.set_exception(error)
    else:
        outcome.set_result(result)
