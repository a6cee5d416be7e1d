# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The native gRPC door, with the grpc.aio server behind it for everything that is not hot."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from penstock._engine import Engine, GrpcDoor
from penstock.frontends.grpc.server import GrpcFrontend, GrpcOptions
from penstock.frontends.listener import UNIX
from penstock.frontends.native_frontend import NativeFrontend
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


class NativeGrpcFrontend(NativeFrontend[GrpcDoor]):
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
        super().__init__(control, options.address, options.port, reuse_port=options.reuse_port)
        self._engine = engine
        self._data = data
        self._options = options
        self._door_options = door_options

    def _make_inner(self, path: Path) -> GrpcFrontend:
        # The door alone connects here: it keeps its connections, of any age.
        private = GrpcOptions(address=f"{UNIX}{path}", headers=self._options.headers)
        return GrpcFrontend(self._data, self._control, private)

    def _open_door(self, listener_fd: int, upstream_path: Path) -> GrpcDoor:
        options = self._options
        return GrpcDoor(
            self._engine,
            listener_fd,
            upstream_path=str(upstream_path),
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
            rules=options.headers.rules(),
        )

    async def drain(self, timeout_s: float) -> None:
        """Waits until no call is open; after the time the server cuts what is left."""
        if self._door is not None:
            loop = asyncio.get_running_loop()
            # Not before the server's own clock says so: drained is what returns in time.
            await loop.run_in_executor(None, self._door.drain, timeout_s + 1.0)
