# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The life of a server process: listen, load, serve, drain, end (contract 3.5, 3.6).

All listeners are bound before a model is loaded, so that a taken port costs nothing. They answer
from then on, but not as ready. What the frontends are, this room does not know.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

from penstock._engine import Engine, engine_has_devices
from penstock.errors import InternalError
from penstock.garbage import set_aside
from penstock.models.lifecycle import Lifecycle, LoadFailure
from penstock.serving.control_plane import ControlPlane

_LOGGER = logging.getLogger(__name__)

#: After the drain: how long replies that are being sent and closing models may take.
_CLOSE_TIMEOUT_S = 5.0
#: How often it is looked whether a GPU was lost.
_LOOK_S = 1.0


class Frontend(Protocol):
    """A way into the server."""

    @property
    def name(self) -> str:
        """As in `Started <name> at <address>`."""

    @property
    def address(self) -> str:
        """Where it listens."""

    async def listen(self) -> None:
        """Binds and listens; raises UnavailableError. Nothing is answered yet."""

    async def start(self) -> None:
        """Begins to answer."""

    def stop_accepting(self) -> None:
        """No new connections or calls."""

    async def drain(self, timeout_s: float) -> None:
        """Returns when nothing is being worked on any more; what is left after the time is cut."""

    async def close(self, timeout_s: float) -> None:
        """Ends all connections; safe at any time after construction."""


class Server:
    """Wires the parts' lives together. `run` is called once, on the event loop of the frontends."""

    def __init__(
        self,
        engine: Engine,
        lifecycle: Lifecycle,
        control: ControlPlane,
        frontends: Sequence[Frontend],
        *,
        exit_timeout_s: int = 30,
        exit_on_error: bool = True,
        on_loaded: Callable[[list[LoadFailure]], None] = lambda failures: None,
    ) -> None:
        """`on_loaded` is told of the failures once all models of the start have been tried."""
        self._engine = engine
        self._lifecycle = lifecycle
        self._control = control
        self._frontends = frontends
        self._exit_timeout_s = exit_timeout_s
        self._exit_on_error = exit_on_error
        self._on_loaded = on_loaded
        self._stop = asyncio.Event()

    def request_stop(self) -> None:
        """Begins the graceful stop; loop thread only, further calls change nothing."""
        self._stop.set()

    async def run(self) -> int:
        """Serves until a signal. Returns the exit code; raises ServerError when it cannot start.

        When the graceful stop takes too long the process ends here, with code 1.
        """
        self._handle_signals()
        try:
            for frontend in self._frontends:
                await frontend.listen()
            for frontend in self._frontends:
                await frontend.start()
            if await self._load():
                for frontend in self._frontends:
                    _LOGGER.info("Started %s at %s", frontend.name, frontend.address)
                await self._wait_for_stop()
            await self._drain()
        finally:
            await self._close()
        return 0

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if not self._stop.is_set():
            print(f"Signal ({int(number)}) received.", flush=True)
        self.request_stop()

    async def _wait_for_stop(self) -> None:
        """Looks after the models' GPUs meanwhile, where there are some."""
        if not engine_has_devices(self._engine):
            await self._stop.wait()
            return
        stopping = asyncio.ensure_future(self._stop.wait())
        while not (await asyncio.wait((stopping,), timeout=_LOOK_S))[0]:
            self._control.look_after_devices()

    async def _load(self) -> bool:
        """Loads the models of the start; False when a signal came first."""
        loop = asyncio.get_running_loop()
        loading = loop.run_in_executor(None, self._lifecycle.load_all)
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._stop.is_set():
            self._control.exiting = True
            self._lifecycle.end_loads()
            # A load cannot be interrupted; what it loads is unloaded right after.
            if not (await asyncio.wait((loading,), timeout=self._exit_timeout_s))[0]:
                _exit_immediately()
            return False
        failures = await loading
        self._on_loaded(failures)
        if failures and self._exit_on_error:
            raise InternalError("failed to load all models")
        set_aside()
        self._control.started = True
        return True

    async def _drain(self) -> None:
        """Refuses what is new and finishes what is in flight."""
        self._control.exiting = True
        for frontend in self._frontends:
            frontend.stop_accepting()
        self._lifecycle.end_loads()
        self._engine.stop_accepting()
        _LOGGER.info("Waiting for in-flight requests to complete.")
        timeout_s = float(self._exit_timeout_s)
        draining = asyncio.gather(*(frontend.drain(timeout_s) for frontend in self._frontends))
        for left in range(self._exit_timeout_s, -1, -1):
            _LOGGER.info("Timeout %d: Found %d in-flight requests", left, self._engine.in_flight)
            done, _ = await asyncio.wait((draining,), timeout=1.0 if left else 0.0)
            if done:
                return
        _exit_immediately()

    async def _close(self) -> None:
        self._control.exiting = True
        for frontend in self._frontends:
            await frontend.close(_CLOSE_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._lifecycle.close)
        self._control.close()


def _exit_immediately() -> NoReturn:
    """Ends the process without waiting for the threads that did not come to an end."""
    _LOGGER.error("Exit timeout expired. Exiting immediately.")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
