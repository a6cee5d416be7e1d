# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The native HTTP door, with the aiohttp frontend behind it for everything that is not hot.

Clients see one server. The door listens where they connect; the aiohttp frontend listens on a Unix
socket in a directory that only this user can enter, and which is removed at the end.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock._engine import Engine, HttpDoor
from penstock.errors import UnavailableError
from penstock.frontends.http.server import HttpFrontend, HttpOptions
from penstock.frontends.listener import UNIX, address_text, listen
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane


@dataclass(frozen=True)
class DoorOptions:
    """How many event loops serve, and what a client can make grow or last."""

    threads: int = 1
    max_connections: int = 10_000
    max_in_flight_bytes: int = 1 << 30
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    send_timeout_s: float = 30.0
    min_bytes_per_second: int = 1024


@dataclass
class _Running:
    """What exists between listen() and close()."""

    listener: socket.socket
    directory: Path
    inner: HttpFrontend
    door: HttpDoor | None = field(default=None)


class NativeHttpFrontend:
    """Serves contract 1.1 on the door's own threads."""

    name = "HTTPService"

    def __init__(
        self,
        engine: Engine,
        data: DataPlane,
        control: ControlPlane,
        options: HttpOptions,
        door_options: DoorOptions,
    ) -> None:
        self._engine = engine
        self._data = data
        self._control = control
        self._options = options
        self._door_options = door_options
        self._address = address_text(options.address, None, options.port)
        self._running: _Running | None = None
        self._state_lock = threading.Lock()

    @property
    def address(self) -> str:
        """`<address>:<port>`, or `unix:<path>`, as it is listened on."""
        return self._address

    async def listen(self) -> None:
        """Binds and listens. Raises UnavailableError (H-29)."""
        options = self._options
        listener = listen(options.address, options.port, reuse_port=options.reuse_port)
        self._address = address_text(options.address, listener, options.port)
        directory = Path(tempfile.mkdtemp(prefix="penstock-"))
        private = replace(options, address=f"{UNIX}{directory}/http", behind_door=True)
        inner = HttpFrontend(self._data, self._control, private)
        self._running = _Running(listener, directory, inner)
        await inner.listen()

    async def start(self) -> None:
        """Begins to accept connections."""
        running, options = self._running, self._door_options
        if running is None:
            raise RuntimeError("start() before listen()")
        await running.inner.start()
        running.door = HttpDoor(
            self._engine,
            running.listener.detach(),
            upstream_path=f"{running.directory}/http",
            threads=options.threads,
            max_connections=options.max_connections,
            max_in_flight_bytes=options.max_in_flight_bytes,
            max_input_bytes=self._options.max_input_bytes,
            max_body_bytes=self._options.max_body_bytes,
            header_timeout_s=options.header_timeout_s,
            body_timeout_s=options.body_timeout_s,
            idle_timeout_s=options.idle_timeout_s,
            send_timeout_s=options.send_timeout_s,
            min_bytes_per_second=options.min_bytes_per_second,
        )
        self._control.watch(self._tell_state)

    def stop_accepting(self) -> None:
        """New connections are refused; the open ones are served on."""
        if self._running is None:
            return
        if self._running.door is not None:
            self._running.door.stop_accepting()
        self._running.listener.close()
        if self._options.address.startswith(UNIX):
            Path(self._options.address.removeprefix(UNIX)).unlink(missing_ok=True)

    async def drain(self, timeout_s: float) -> None:
        """Waits until no request is being worked on; close() cuts what is left."""
        if self._running is None or self._running.door is None:
            return
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(None, self._running.door.drain, timeout_s):
            pass

    async def close(self, timeout_s: float) -> None:
        """Sends what is still to be sent, for at most `timeout_s`, and closes all connections."""
        self.stop_accepting()
        if self._running is None:
            return
        running, self._running = self._running, None
        if running.door is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, running.door.stop, timeout_s)
        await running.inner.close(timeout_s)
        shutil.rmtree(running.directory, ignore_errors=True)

    def counters(self) -> dict[str, int]:
        """The door's. Raises UnavailableError while there is none."""
        if self._running is None or self._running.door is None:
            raise UnavailableError("the HTTP door is not open")
        return self._running.door.counters()

    def _tell_state(self) -> None:
        running, control = self._running, self._control
        if running is None or running.door is None:
            return
        with self._state_lock:  # what is told last is what was seen last
            running.door.set_state(
                started=control.started, ready=control.ready, exiting=control.exiting
            )
