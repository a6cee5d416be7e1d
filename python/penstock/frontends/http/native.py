# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The native HTTP door, with the aiohttp frontend behind it for everything that is not hot."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from penstock._engine import Engine, HttpDoor
from penstock.frontends.http.server import HttpFrontend, HttpOptions
from penstock.frontends.listener import UNIX
from penstock.frontends.native_frontend import NativeFrontend
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


class NativeHttpFrontend(NativeFrontend[HttpDoor]):
    """Serves contract 1.1 on the door's own threads."""

    name = "HTTPService"
    inner_close_share = 1.0

    def __init__(
        self,
        engine: Engine,
        data: DataPlane,
        control: ControlPlane,
        options: HttpOptions,
        door_options: DoorOptions,
    ) -> None:
        super().__init__(control, options.address, options.port, reuse_port=options.reuse_port)
        self._engine = engine
        self._data = data
        self._options = options
        self._door_options = door_options

    def _make_inner(self, path: Path) -> HttpFrontend:
        private = replace(self._options, address=f"{UNIX}{path}", behind_door=True)
        return HttpFrontend(self._data, self._control, private)

    def _open_door(self, listener_fd: int, upstream_path: Path) -> HttpDoor:
        options = self._door_options
        return HttpDoor(
            self._engine,
            listener_fd,
            upstream_path=str(upstream_path),
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
            rules=self._options.headers.rules(),
        )

    async def drain(self, timeout_s: float) -> None:
        """Waits until no request is being worked on; close() cuts what is left."""
        if self._door is None:
            return
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(None, self._door.drain, timeout_s):
            pass
