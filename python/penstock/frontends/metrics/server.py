# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The metrics port (H-20, X-14): Prometheus text; for tests, also the server's ledger."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from penstock.frontends.listener import listen_tcp

_CONTENT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class MetricsOptions:
    """Options O-51, O-52."""

    address: str = "127.0.0.1"
    port: int = 8002
    reuse_port: bool = False


class MetricsFrontend:
    """Serves /metrics; a scrape is rendered on a thread, so that it delays no request."""

    name = "Metrics Service"

    def __init__(
        self,
        render: Callable[[], bytes],
        options: MetricsOptions,
        ledger: Callable[[], Mapping[str, Mapping[str, int]]] | None = None,
    ) -> None:
        """`render` gives the text of a scrape; it is called on a thread.

        `ledger`: what was created and released, served at /debug/ledger; None: it is not.
        """
        self._render = render
        self._ledger = ledger
        self._options = options
        self._listener: socket.socket | None = None
        self._server: web.Server | None = None
        self._acceptor: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """`<address>:<port>` as it is listened on."""
        port = self._options.port
        if self._listener is not None:
            port = self._listener.getsockname()[1]
        return f"{self._options.address}:{port}"

    async def listen(self) -> None:
        """Binds and listens. Raises UnavailableError (H-29)."""
        options = self._options
        self._listener = listen_tcp(options.address, options.port, reuse_port=options.reuse_port)

    async def start(self) -> None:
        """Begins to accept connections."""
        if self._listener is None:
            raise RuntimeError("start() before listen()")
        loop = asyncio.get_running_loop()
        self._server = web.Server(self._handle, access_log=None)
        self._acceptor = await loop.create_server(self._server, sock=self._listener)

    def stop_accepting(self) -> None:
        """Nothing: the metrics of the last requests can be read until the end."""

    async def drain(self, timeout_s: float) -> None:
        """Nothing to wait for."""

    async def close(self, timeout_s: float) -> None:
        """Closes the port and all connections."""
        if self._acceptor is not None:
            self._acceptor.close()
        elif self._listener is not None:
            self._listener.close()
        if self._server is not None:
            await self._server.shutdown(timeout_s)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "GET":
            return web.json_response({"error": "Method Not Allowed"}, status=405)
        path, _, _ = request.raw_path.partition("?")
        if path == "/debug/ledger" and self._ledger is not None:
            return web.json_response(self._ledger())
        body = b""
        if path in ("/metrics", "/metrics/"):
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(None, self._render)
        return web.Response(body=body, headers={"Content-Type": _CONTENT_TYPE})
