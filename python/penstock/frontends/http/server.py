# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The HTTP frontend: an aiohttp low-level server with its own dispatch.

No Application, middlewares or access log: they cost more than the rest of a small request.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from penstock.config.tls import TlsFiles
from penstock.errors import Code, ServerError
from penstock.frontends.header_policy import HeaderPolicy
from penstock.frontends.http.body import BodyError
from penstock.frontends.http.control import ControlHandlers
from penstock.frontends.http.generate import GenerateHandler, LoadMetrics
from penstock.frontends.http.infer import InferHandler
from penstock.frontends.http.reply import Reply, error_reply
from penstock.frontends.http.router import MethodError, NoRouteError, Router
from penstock.frontends.http.routes import Route, build_router
from penstock.frontends.http.shared_memory import SharedMemoryHandlers
from penstock.frontends.http.status import HTTP_STATUS, retry_header
from penstock.frontends.listener import BACKLOG, address_text, listen
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane

_LOGGER = logging.getLogger(__name__)

#: How much of a body is read from the socket before it is taken by the handler.
_READ_BUFFER_BYTES = 1 << 18
#: After a reply to a half-read body: how long the rest may take before the connection is closed.
_LINGER_S = 2.0


#: How long a client may take for its TLS handshake.
_HANDSHAKE_S = 10.0
#: Larger than the door's own bounds, and longer than any server runs.
_BEHIND_DOOR = {"max_line_size": 1 << 16, "max_field_size": 1 << 16, "keepalive_timeout": 1e9}


@dataclass(frozen=True)
class HttpOptions:
    """Options O-20..O-26 that concern this frontend, and the bound on a whole body."""

    address: str = "127.0.0.1"
    port: int = 8000
    reuse_port: bool = False
    max_input_bytes: int = 64 << 20
    max_body_bytes: int = 2 << 30
    #: The native door is the only client: it has checked the heads, and it ends idle connections.
    behind_door: bool = False
    tls: TlsFiles | None = None
    headers: HeaderPolicy = HeaderPolicy()
    #: H-36; None while metrics are off
    load_metrics: LoadMetrics | None = None


class HttpFrontend:
    """Serves contract 1.1 on one event loop."""

    name = "HTTPService"

    def __init__(self, data: DataPlane, control: ControlPlane, options: HttpOptions) -> None:
        self._options = options
        self._router: Router[Route] = build_router(
            InferHandler(
                data,
                control,
                max_input_bytes=options.max_input_bytes,
                max_body_bytes=options.max_body_bytes,
                headers=options.headers,
            ),
            GenerateHandler(
                data,
                control,
                max_input_bytes=options.max_input_bytes,
                load_metrics=options.load_metrics,
            ),
            ControlHandlers(control, max_input_bytes=options.max_input_bytes),
            [
                SharedMemoryHandlers(
                    control.shared_memory, cuda=cuda, max_input_bytes=options.max_input_bytes
                )
                for cuda in (False, True)
            ],
        )
        self._control = control
        self._listener: socket.socket | None = None
        self._server: _Server | None = None
        self._acceptor: asyncio.Server | None = None
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def address(self) -> str:
        """`<address>:<port>` as it is listened on."""
        return address_text(self._options.address, self._listener, self._options.port)

    async def listen(self) -> None:
        """Binds and listens. Raises UnavailableError (H-29)."""
        options = self._options
        self._listener = listen(options.address, options.port, reuse_port=options.reuse_port)

    async def start(self) -> None:
        """Begins to accept connections."""
        if self._listener is None:
            raise RuntimeError("start() before listen()")
        loop = asyncio.get_running_loop()
        self._server = _Server(
            cast(Any, self._handle),
            loop=loop,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER_BYTES,
            lingering_time=_LINGER_S,
            **(_BEHIND_DOOR if self._options.behind_door else {}),
        )
        tls = self._options.tls
        self._acceptor = await loop.create_server(
            self._server,
            sock=self._listener,
            backlog=BACKLOG,  # it listens again, with 100 if nothing is said
            ssl=None if tls is None else tls.context(),
            ssl_handshake_timeout=None if tls is None else _HANDSHAKE_S,
        )

    def stop_accepting(self) -> None:
        """New connections are refused; the open ones are served on."""
        if self._acceptor is not None:
            self._acceptor.close()
        elif self._listener is not None:
            self._listener.close()

    async def drain(self, timeout_s: float) -> None:
        """Waits until no request is being worked on; close() cuts what is left."""
        await self._idle.wait()

    async def close(self, timeout_s: float) -> None:
        """Sends what is still to be sent, for at most `timeout_s`, and closes all connections."""
        self.stop_accepting()
        if self._server is not None:
            await self._server.shutdown(timeout_s)

    @property
    def connection_count(self) -> int:
        """Open connections."""
        return 0 if self._server is None else len(self._server.connections)

    async def _handle(self, request: web.BaseRequest) -> Reply:
        if self._active == 0:
            self._idle.clear()
        self._active += 1
        try:
            reply = await self._dispatch(request)
        finally:
            self._active -= 1
            if self._active == 0:
                self._idle.set()
        if self._control.exiting:
            reply.close = True
        return reply

    async def _dispatch(self, request: web.BaseRequest) -> Reply:
        path, _, _ = request.raw_path.partition("?")
        try:
            route, parameters = self._router.resolve(request.method, path)
            missing = self._options.headers.missing(route.api, request.headers.get)
            if missing:
                return error_reply(403, f"This API is restricted, expecting header '{missing}'")
            return await route.handler(request, parameters)
        except ServerError as error:
            return error_reply(HTTP_STATUS[error.code], error.message, retry_header(error))
        except NoRouteError:
            return error_reply(404, "Not Found")
        except MethodError:
            return error_reply(405, "Method Not Allowed")
        except BodyError as error:
            return error_reply(error.status, error.message, close=True)
        except web.RequestPayloadError as error:
            return error_reply(400, f"Unable to read the request body: {error}", close=True)
        except UnicodeEncodeError:
            return error_reply(400, "The request path is not valid UTF-8")
        except ConnectionError:
            raise
        except Exception:
            _LOGGER.exception("failed to handle %s %s", request.method, path)
            return error_reply(HTTP_STATUS[Code.INTERNAL], "Internal server error")


class _Server(web.Server):
    """aiohttp's server, answering what it cannot parse in the protocol's own form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._protocol_loop = asyncio.get_running_loop()
        self._protocol_options = {
            name: value
            for name, value in kwargs.items()
            if name not in ("loop", "handler_cancellation", "request_factory")
        }

    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._protocol_loop, **self._protocol_options)


class _Protocol(RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A request that is not HTTP gets a JSON error and the connection is closed (H-21)."""
        if status >= 500:
            if not isinstance(exc, ConnectionError):  # a client that left is no failure of ours
                _LOGGER.error("failed to answer a request", exc_info=exc)
            text = "Internal server error"
        else:
            text = (message or "Bad Request").partition("\n")[0].strip()
        return cast(web.StreamResponse, error_reply(status, text, close=True))
