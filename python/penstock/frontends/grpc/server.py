# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The gRPC frontend: a grpc.aio server with generic handlers over raw messages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import StatusCode

from penstock._proto import health_pb2, inference_pb2
from penstock.config.tls import TlsFiles
from penstock.errors import ServerError, UnavailableError
from penstock.frontends.grpc.context import Context
from penstock.frontends.grpc.control import ControlRpcs
from penstock.frontends.grpc.infer import InferRpc
from penstock.frontends.grpc.metadata import check_restricted
from penstock.frontends.grpc.shared_memory import SharedMemoryRpcs
from penstock.frontends.grpc.status import GRPC_STATUS
from penstock.frontends.grpc.stream import StreamRpc
from penstock.frontends.header_policy import HeaderPolicy
from penstock.frontends.listener import listen_tcp
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane

_LOGGER = logging.getLogger(__name__)

_SERVICE = "inference.GRPCInferenceService"
_HEALTH_SERVICE = "grpc.health.v1.Health"
_MAX_MESSAGE_BYTES = (1 << 31) - 1

Rpc = Callable[[Any], Awaitable[Message]]


@dataclass(frozen=True)
class GrpcOptions:
    """Options O-29..O-31 and O-36..O-46; times in milliseconds, an age of 0 is not limited.

    An address `unix:<path>` has no port.
    """

    address: str = "127.0.0.1"
    port: int = 8001
    reuse_port: bool = False
    response_compression_level: str = "none"
    keepalive_time_ms: int = 7_200_000
    keepalive_timeout_ms: int = 20_000
    keepalive_permit_without_calls: bool = False
    http2_max_pings_without_data: int = 2
    http2_min_recv_ping_interval_without_data_ms: int = 300_000
    http2_max_ping_strikes: int = 2
    max_connection_age_ms: int = 0
    max_connection_age_grace_ms: int = 0
    tls: TlsFiles | None = None
    headers: HeaderPolicy = HeaderPolicy()

    def credentials(self) -> grpc.ServerCredentials | None:
        """For TLS (G-30), None without."""
        if self.tls is None:
            return None
        certificate, key, root = self.tls.pem()
        return grpc.ssl_server_credentials([(key, certificate)], root, self.tls.mutual)

    def channel_arguments(self) -> list[tuple[str, int]]:
        """gRPC core's names for these."""
        arguments = [
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", int(self.reuse_port)),
            ("grpc.keepalive_time_ms", self.keepalive_time_ms),
            ("grpc.keepalive_timeout_ms", self.keepalive_timeout_ms),
            ("grpc.keepalive_permit_without_calls", int(self.keepalive_permit_without_calls)),
            ("grpc.http2.max_pings_without_data", self.http2_max_pings_without_data),
            (
                "grpc.http2.min_ping_interval_without_data_ms",
                self.http2_min_recv_ping_interval_without_data_ms,
            ),
            ("grpc.http2.max_ping_strikes", self.http2_max_ping_strikes),
        ]
        if self.max_connection_age_ms:
            arguments.append(("grpc.max_connection_age_ms", self.max_connection_age_ms))
        if self.max_connection_age_grace_ms:
            arguments.append(("grpc.max_connection_age_grace_ms", self.max_connection_age_grace_ms))
        return arguments


_COMPRESSION = {
    "none": grpc.Compression.NoCompression,
    "low": grpc.Compression.Deflate,
    "medium": grpc.Compression.Gzip,
    "high": grpc.Compression.Gzip,
}


class GrpcFrontend:
    """Serves contract 1.16 on one event loop."""

    name = "GRPCInferenceService"

    def __init__(self, data: DataPlane, control: ControlPlane, options: GrpcOptions) -> None:
        self._options = options
        self._control = control
        self._data = data
        self._stream = StreamRpc(data, control, options.headers)
        self._port = options.port
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """`<address>:<port>` as it is listened on."""
        return f"{self._options.address}:{self._port}"

    async def listen(self) -> None:
        """Binds and listens. Raises UnavailableError: `Socket '<addr>:<port>' already in use `."""
        options = self._options
        # gRPC says only "failed to bind": find out why, with a socket that is closed again.
        local = options.address.startswith("unix:")
        if not options.reuse_port and options.port and not local:
            listen_tcp(options.address, options.port).close()
        server = grpc.aio.server(
            options=options.channel_arguments(),
            compression=_COMPRESSION[options.response_compression_level],
        )
        server.add_generic_rpc_handlers(self._handlers())
        host = f"[{options.address}]" if ":" in options.address else options.address
        target = options.address if local else f"{host}:{options.port}"
        try:
            if (credentials := options.credentials()) is None:
                self._port = server.add_insecure_port(target)
            else:
                self._port = server.add_secure_port(target, credentials)
        except RuntimeError as error:
            raise UnavailableError(f"Unable to listen on '{self.address}': {error}") from None
        self._server = server

    async def start(self) -> None:
        """Begins to serve."""
        if self._server is None:
            raise RuntimeError("start() before listen()")
        await self._server.start()

    def stop_accepting(self) -> None:
        """Streams take no more requests; drain() refuses new calls."""
        self._stream.stop()

    async def drain(self, timeout_s: float) -> None:
        """Refuses new calls and waits until none is being worked on."""
        if self._server is not None:
            await self._server.stop(timeout_s)

    async def close(self, timeout_s: float) -> None:
        """Ends all calls after `timeout_s` at the latest."""
        if self._server is not None:
            await self._server.stop(timeout_s)

    def _handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        infer = InferRpc(self._data, self._control, self._options.headers)
        control = ControlRpcs(self._control)
        methods = {}
        memory = SharedMemoryRpcs(self._control.shared_memory)
        for name, (api, rpc) in (_control_table(control) | _memory_table(memory)).items():
            request_type = getattr(inference_pb2, f"{name}Request")
            serve = self._unary(request_type, api, rpc)
            methods[name] = grpc.unary_unary_rpc_method_handler(serve)
        methods["ModelInfer"] = grpc.unary_unary_rpc_method_handler(infer.serve)
        methods["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream.serve)
        check = self._unary(health_pb2.HealthCheckRequest, "health", control.health_check)
        health = {"Check": grpc.unary_unary_rpc_method_handler(check)}
        return (
            grpc.method_handlers_generic_handler(_SERVICE, methods),
            grpc.method_handlers_generic_handler(_HEALTH_SERVICE, health),
        )

    def _unary(
        self, request_type: type[Message], api: str, rpc: Rpc
    ) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def serve(message: bytes, context: Context) -> bytes:
            await check_restricted(self._options.headers, api, context)
            try:
                request = request_type.FromString(message)
                return (await rpc(request)).SerializeToString()
            except ServerError as error:
                status, text = GRPC_STATUS[error.code], error.message
            except DecodeError:
                status = StatusCode.INVALID_ARGUMENT
                text = f"failed to parse the {request_type.DESCRIPTOR.name} message"
            except Exception:
                _LOGGER.exception("failed to handle %s", request_type.DESCRIPTOR.name)
                status, text = StatusCode.INTERNAL, "Internal server error"
            await context.abort(status, text)

        return serve


def _control_table(control: ControlRpcs) -> dict[str, tuple[str, Rpc]]:
    """RPC name -> its API (1.14) and coroutine; the request message of `X` is `XRequest`."""
    return {
        "ServerLive": ("health", control.server_live),
        "ServerReady": ("health", control.server_ready),
        "ModelReady": ("health", control.model_ready),
        "ServerMetadata": ("metadata", control.server_metadata),
        "ModelMetadata": ("metadata", control.model_metadata),
        "ModelConfig": ("model-config", control.model_config),
        "ModelStatistics": ("statistics", control.model_statistics),
        "RepositoryIndex": ("model-repository", control.repository_index),
        "RepositoryModelLoad": ("model-repository", control.repository_model_load),
        "RepositoryModelUnload": ("model-repository", control.repository_model_unload),
        "TraceSetting": ("trace", control.trace_setting),
        "LogSettings": ("logging", control.log_settings),
    }


def _memory_table(memory: SharedMemoryRpcs) -> dict[str, tuple[str, Rpc]]:
    """As _control_table."""
    return {
        "SystemSharedMemoryStatus": ("shared-memory", memory.system_status),
        "SystemSharedMemoryRegister": ("shared-memory", memory.system_register),
        "SystemSharedMemoryUnregister": ("shared-memory", memory.system_unregister),
        "CudaSharedMemoryStatus": ("shared-memory", memory.cuda_status),
        "CudaSharedMemoryRegister": ("shared-memory", memory.cuda_register),
        "CudaSharedMemoryUnregister": ("shared-memory", memory.cuda_unregister),
    }
