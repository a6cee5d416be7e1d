# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The native gRPC door, with the grpc.aio server behind it for everything that is not hot.

Clients see one server. The door listens where they connect; the grpc.aio server listens on a Unix
socket in a directory that only this user can enter, and which is removed at the end.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from penstock._engine import Engine, GrpcDoor
from penstock.errors import UnavailableError
from penstock.frontends.grpc.server import GrpcFrontend, GrpcOptions
from penstock.frontends.listener import UNIX, address_text, listen
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane

#: O-39: what the door compresses responses with.
_COMPRESSION = {"none": "none", "low": "deflate", "medium": "gzip", "high": "gzip"}


@dataclass(frozen=True)
class GrpcDoorOptions:
    """How many event loops serve, and what clients can make grow."""

    threads: int = 1
    max_connections: int = 10_000
    max_in_flight_bytes: int = 1 << 30


@dataclass
class _Running:
    """What exists between listen() and close()."""

    listener: socket.socket
    directory: Path
    inner: GrpcFrontend
    door: GrpcDoor | None = field(default=None)


class NativeGrpcFrontend:
    """Serves contract 1.16 on the door's own threads."""

    name = "GRPCInferenceService"

    def __init__(
        self,
        engine: Engine,
        data: DataPlane,
        control: ControlPlane,
        options: GrpcOptions,
        door_options: GrpcDoorOptions,
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
        """Binds and listens. Raises UnavailableError: `Socket '<addr>:<port>' already in use `."""
        options = self._options
        listener = listen(options.address, options.port, reuse_port=options.reuse_port)
        self._address = address_text(options.address, listener, options.port)
        directory = Path(tempfile.mkdtemp(prefix="penstock-"))
        # The door alone connects here: it keeps its connections, of any age.
        private = GrpcOptions(address=f"{UNIX}{directory}/grpc")
        inner = GrpcFrontend(self._data, self._control, private)
        self._running = _Running(listener, directory, inner)
        await inner.listen()

    async def start(self) -> None:
        """Begins to accept connections."""
        running, options = self._running, self._options
        if running is None:
            raise RuntimeError("start() before listen()")
        await running.inner.start()
        running.door = GrpcDoor(
            self._engine,
            running.listener.detach(),
            upstream_path=f"{running.directory}/grpc",
            threads=self._door_options.threads,
            max_connections=self._door_options.max_connections,
            max_in_flight_bytes=self._door_options.max_in_flight_bytes,
            compression=_COMPRESSION[options.response_compression_level],
            keepalive_time_ms=options.keepalive_time_ms,
            keepalive_timeout_ms=options.keepalive_timeout_ms,
            keepalive_permit_without_calls=options.keepalive_permit_without_calls,
            min_recv_ping_interval_ms=options.http2_min_recv_ping_interval_without_data_ms,
            max_ping_strikes=options.http2_max_ping_strikes,
            max_connection_age_ms=options.max_connection_age_ms,
            max_connection_age_grace_ms=options.max_connection_age_grace_ms,
        )
        self._control.watch(self._tell_state)

    def stop_accepting(self) -> None:
        """No new connections or calls; streams end when their last request is answered (G-29)."""
        if self._running is None:
            return
        if self._running.door is not None:
            self._running.door.stop_accepting()
        self._running.listener.close()
        if self._options.address.startswith(UNIX):
            Path(self._options.address.removeprefix(UNIX)).unlink(missing_ok=True)

    async def drain(self, timeout_s: float) -> None:
        """Waits until no call is open; after the time the server cuts what is left."""
        if self._running is not None and self._running.door is not None:
            loop = asyncio.get_running_loop()
            # Not before the server's own clock says so: drained is what returns in time.
            await loop.run_in_executor(None, self._running.door.drain, timeout_s + 1.0)

    async def close(self, timeout_s: float) -> None:
        """Sends what is still to be sent, for at most `timeout_s`, and closes all connections."""
        self.stop_accepting()
        if self._running is None:
            return
        running, self._running = self._running, None
        if running.door is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, running.door.stop, timeout_s)
        await running.inner.close(0.0)
        shutil.rmtree(running.directory, ignore_errors=True)

    def counters(self) -> dict[str, int]:
        """The door's. Raises UnavailableError while there is none."""
        if self._running is None or self._running.door is None:
            raise UnavailableError("the gRPC door is not open")
        return self._running.door.counters()

    def _tell_state(self) -> None:
        running, control = self._running, self._control
        if running is None or running.door is None:
            return
        with self._state_lock:  # what is told last is what was seen last
            running.door.set_state(
                started=control.started, ready=control.ready, exiting=control.exiting
            )
