# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The event loops that the coroutines of Python models run on."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)


class ExecuteLoop:
    """Runs what `async def execute` of a model that is not decoupled returns, to its end.

    It runs on the calling thread, which costs nothing, until an `execute` leaves tasks behind.
    They go on when it is over, as in Triton: the loop then gets a thread of its own for good.
    """

    def __init__(self, name: str, bind: Callable[[], None]) -> None:
        """`bind` is called on that thread, once, before anything runs there."""
        self._name = name
        self._bind = bind
        self._loop = asyncio.new_event_loop()
        self._background: BackgroundLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns. Raises what it raises."""
        if self._background is not None:
            return self._background.run(coroutine)
        try:
            return self._loop.run_until_complete(coroutine)
        finally:
            if asyncio.all_tasks(self._loop):
                self._background = BackgroundLoop(self._name, self._loop, self._bind)

    def close(self) -> None:
        """Cancels what still runs, and waits for its end."""
        if self._background is not None:
            self._background.close()
        else:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.get_loop()


class BackgroundLoop:
    """An event loop on a thread of its own. Used by one other thread at a time."""

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop | None = None,
        bind: Callable[[], None] = lambda: None,
    ) -> None:
        """Runs from now on: `loop` with the tasks it has, or a new one; first `bind`, there."""
        self._name = name
        self._bind = bind
        self._loop = loop or asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}_async", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs the coroutine, which must not raise, beside the others."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Waits for what the coroutine returns. Raises what it raises."""
        result, error = asyncio.run_coroutine_threadsafe(_outcome(coroutine), self._loop).result()
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Cancels what still runs, and waits for its end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self._bind()
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            while not self._stop.is_set():
                try:
                    runner.run(self._stop.wait())
                except (SystemExit, KeyboardInterrupt) as error:  # of a task of the model's own
                    _log.error("a task of Python model '%s' raised %r", self._name, error)
                    # What it held, such as a response sender, goes now and not with a collection.
                    traceback.clear_frames(error.__traceback__)
            # closing the runner cancels the other tasks


async def _outcome(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """What it returns and what it raises; SystemExit, too, must not end the loop."""
    try:
        return await coroutine, None
    except BaseException as error:
        return None, error
