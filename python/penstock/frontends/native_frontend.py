# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a native door and the Python server behind it need to look like one server.

The door listens where clients connect; the Python server listens on a Unix socket in a directory
that only this user can enter, and which is removed at the end.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from penstock.errors import UnavailableError
from penstock.frontends.listener import UNIX, address_text, listen
from penstock.serving.control_plane import ControlPlane


class Inner(Protocol):
    """The Python server behind a door."""

    async def listen(self) -> None:
        """Binds its Unix socket."""

    async def start(self) -> None:
        """Begins to accept the door's connections."""

    async def close(self, timeout_s: float) -> None:
        """Ends within `timeout_s`."""


class Door(Protocol):
    """The native listener, as the engine gives it."""

    def set_state(self, *, started: bool, ready: bool, exiting: bool) -> None:
        """What health checks answer."""

    def stop_accepting(self) -> None:
        """New connections are refused."""

    def drain(self, timeout_s: float) -> bool:
        """Blocks until nothing is being worked on; False: time ran out."""

    def stop(self, timeout_s: float) -> None:
        """Closes all connections; blocks for at most `timeout_s`."""

    def counters(self) -> dict[str, int]:
        """What has happened at it since it opened."""


DoorT = TypeVar("DoorT", bound=Door)
#: bytes of its path; with the socket's own name that is less than the 107 there may be
_LONGEST_DIRECTORY = 90


@dataclass
class _Running(Generic[DoorT]):
    """What exists between listen() and close()."""

    listener: socket.socket
    directory: Path
    inner: Inner
    door: DoorT | None = None


class NativeFrontend(ABC, Generic[DoorT]):
    """A door, its Python server, and their one address.

    Args:
        control: whose state the door's health checks tell.
        address: a host, or `unix:<path>`.
        port: 0 for any that is free; of no meaning with a path.
        reuse_port: other servers may listen on the same port (`SO_REUSEPORT`).
    """

    #: What logs call it.
    name: str
    #: How long the Python server may take to end once the door is closed, in parts of the whole.
    inner_close_share: float = 0.0

    def __init__(self, control: ControlPlane, address: str, port: int, *, reuse_port: bool) -> None:
        self._control = control
        self._host, self._port, self._reuse_port = address, port, reuse_port
        self._address = address_text(address, None, port)
        self._running: _Running[DoorT] | None = None
        self._state_lock = threading.Lock()

    @abstractmethod
    def _make_inner(self, path: Path) -> Inner:
        """The Python server, to listen on the Unix socket `path`."""

    @abstractmethod
    def _open_door(self, listener_fd: int, upstream_path: Path) -> DoorT:
        """The door, accepting on `listener_fd`, which it owns from here on."""

    @abstractmethod
    async def drain(self, timeout_s: float) -> None:
        """Waits until nothing is being worked on."""

    @property
    def address(self) -> str:
        """`<address>:<port>`, or `unix:<path>`, as it is listened on."""
        return self._address

    async def listen(self) -> None:
        """Binds and listens. Raises UnavailableError (H-29)."""
        listener = listen(self._host, self._port, reuse_port=self._reuse_port)
        self._address = address_text(self._host, listener, self._port)
        directory = private_directory()
        inner = self._make_inner(directory / "inner")
        self._running = _Running(listener, directory, inner)
        await inner.listen()

    async def start(self) -> None:
        """Begins to accept connections."""
        running = self._running
        if running is None:
            raise RuntimeError("start() before listen()")
        await running.inner.start()
        running.door = self._open_door(running.listener.detach(), running.directory / "inner")
        self._control.watch(self._tell_state)

    def stop_accepting(self) -> None:
        """New connections are refused; what is open ends as the door has it (G-29)."""
        if self._running is None:
            return
        if self._running.door is not None:
            self._running.door.stop_accepting()
        self._running.listener.close()
        if self._host.startswith(UNIX):
            Path(self._host.removeprefix(UNIX)).unlink(missing_ok=True)

    async def close(self, timeout_s: float) -> None:
        """Sends what is still to be sent, for at most `timeout_s`, and closes all connections."""
        self.stop_accepting()
        if self._running is None:
            return
        running, self._running = self._running, None
        if running.door is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, running.door.stop, timeout_s)
        await running.inner.close(timeout_s * self.inner_close_share)
        shutil.rmtree(running.directory, ignore_errors=True)

    def counters(self) -> dict[str, int]:
        """The door's. Raises UnavailableError while there is none."""
        door = self._door
        if door is None:
            raise UnavailableError(f"the native door of {self.name} is not open")
        return door.counters()

    @property
    def _door(self) -> DoorT | None:
        return None if self._running is None else self._running.door

    def _tell_state(self) -> None:
        door, control = self._door, self._control
        if door is None:
            return
        with self._state_lock:  # what is told last is what was seen last
            door.set_state(started=control.started, ready=control.ready, exiting=control.exiting)


def private_directory() -> Path:
    """For a Unix socket. A TMPDIR that makes its path too long for one (unix(7)) is passed over."""
    directory = Path(tempfile.mkdtemp(prefix="penstock-"))
    if len(os.fsencode(directory)) <= _LONGEST_DIRECTORY:
        return directory
    directory.rmdir()
    return Path(tempfile.mkdtemp(prefix="penstock-", dir="/tmp"))
