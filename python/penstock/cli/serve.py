# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Composes the server from its settings and runs it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable

import uvloop

from penstock._engine import Engine, keep_large_blocks
from penstock.backends.python.pb_utils.metrics import custom_metrics
from penstock.backends.registry import find_backend
from penstock.cli.table import format_table
from penstock.config.plan import make_instances
from penstock.config.settings import Settings
from penstock.config.tls import TlsFiles
from penstock.devices.cuda import find_gpus
from penstock.devices.host_policy import resolve_host_policies
from penstock.errors import Code, ServerError
from penstock.frontends.grpc.native import GrpcDoorOptions, NativeGrpcFrontend
from penstock.frontends.grpc.server import GrpcFrontend, GrpcOptions
from penstock.frontends.http.native import DoorOptions, NativeHttpFrontend
from penstock.frontends.http.server import HttpFrontend, HttpOptions
from penstock.frontends.metrics.server import MetricsFrontend, MetricsOptions
from penstock.models.lifecycle import IndexEntry, Lifecycle, LifecycleOptions, LoadFailure
from penstock.models.repository import open_repository
from penstock.models.stores.open_source import RemoteSources, StoreOptions
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane
from penstock.serving.loaded_version import LoadedVersion
from penstock.serving.loader import ModelLoader
from penstock.serving.server import Frontend, Server
from penstock.telemetry.cpu import CpuCollector
from penstock.telemetry.gpu import GpuCollector
from penstock.telemetry.logging import LogSettings, log_block, setup_logging
from penstock.telemetry.metrics import ModelCollector, ModelSnapshot, PinnedPoolCollector
from penstock.telemetry.nvml import Nvml
from penstock.telemetry.registry import MetricsRegistry

_LOGGER = logging.getLogger(__name__)

_CODE_NAMES = {
    Code.UNKNOWN: "Unknown",
    Code.INTERNAL: "Internal",
    Code.NOT_FOUND: "Not found",
    Code.INVALID_ARG: "Invalid argument",
    Code.UNAVAILABLE: "Unavailable",
    Code.UNSUPPORTED: "Unsupported",
    Code.ALREADY_EXISTS: "Already exists",
    Code.CANCELLED: "Cancelled",
}


def serve(settings: Settings) -> int:
    """Runs a server until it is told to stop. Returns the exit code; failures are one line."""
    try:
        setup_logging(_log_settings(settings))
    except OSError as error:
        return _fail(f"unable to open the log file '{settings.log_file}': {error.strerror}")
    for warning in settings.warnings:
        _LOGGER.warning(warning)
    try:
        return uvloop.run(_run(settings))
    except ServerError as error:
        return _fail(f"creating server: {_CODE_NAMES[error.code]} - {error.message}")


def _fail(cause: str) -> int:
    print(f"error: {cause}", file=sys.stderr)
    return 1


async def _run(settings: Settings) -> int:
    """Builds the rooms from the bottom up, and runs the server of them."""
    remote = RemoteSources(_store_options(settings), os.environ)
    repository = open_repository(
        settings.model_repositories, remote.open, namespacing=settings.model_namespacing
    )
    keep_large_blocks()
    engine = Engine(
        max_requests=settings.max_requests,
        pool_cached_bytes=settings.pinned_memory_pool_byte_size,
        response_cache_bytes=settings.response_cache_byte_size,
        pinned=settings.pinned_memory_pool_byte_size > 0,
    )
    _LOGGER.info("Memory for tensors: %s", engine.memory_report)
    loader = ModelLoader(
        engine,
        find_backend,
        backend_settings=settings.backend_settings,
        find_gpus=lambda: find_gpus(settings.min_supported_compute_capability),
        host_policies=resolve_host_policies(settings.host_policies),
        queue_capacity=settings.queue_capacity,
        drain_timeout_s=float(settings.exit_timeout_secs),
    )
    lifecycle = Lifecycle(repository, loader, _lifecycle_options(settings))
    control = ControlPlane(engine, lifecycle, loader, server_id=settings.id)
    data = DataPlane(engine, max_input_bytes=settings.http_max_input_size)
    server = Server(
        engine,
        lifecycle,
        control,
        _frontends(settings, engine, loader, control, data),
        exit_timeout_s=settings.exit_timeout_secs,
        exit_on_error=settings.exit_on_error,
        on_loaded=lambda failures: _report(lifecycle.index(), failures),
    )
    try:
        return await server.run()
    finally:
        data.close()
        remote.close()


def _frontends(
    settings: Settings,
    engine: Engine,
    loader: ModelLoader,
    control: ControlPlane,
    data: DataPlane,
) -> list[Frontend]:
    """What is allowed, in the order of Triton's start-up lines."""
    frontends: list[Frontend] = []
    if settings.allow_grpc:
        frontends.append(_grpc_frontend(settings, engine, control, data))
    if settings.allow_http:
        frontends.append(_http_frontend(settings, engine, control, data))
    if settings.allow_metrics:
        metrics = MetricsOptions(address=settings.metrics_address, port=settings.metrics_port)
        registry = _metrics(settings, engine, loader)
        ledger = _ledger(engine, frontends) if settings.debug_endpoints else None
        frontends.append(MetricsFrontend(registry.render, metrics, ledger))
    return frontends


def _ledger(
    engine: Engine, frontends: Iterable[Frontend]
) -> Callable[[], dict[str, dict[str, int]]]:
    """What the data plane has created and released: a test's proof that nothing is left behind."""
    doors = [f for f in frontends if isinstance(f, NativeHttpFrontend | NativeGrpcFrontend)]

    def read() -> dict[str, dict[str, int]]:
        core = {"requests_in_flight": engine.in_flight} | engine.pool_stats()
        return {"engine": core} | {door.name: door.counters() for door in doors}

    return read


def _grpc_frontend(
    settings: Settings, engine: Engine, control: ControlPlane, data: DataPlane
) -> Frontend:
    options = _grpc_options(settings)
    if settings.data_plane == "python" or _ends_tls(options.tls, "gRPC"):
        return GrpcFrontend(data, control, options)
    door = GrpcDoorOptions(
        threads=settings.grpc_infer_thread_count,
        max_connections=settings.grpc_max_connections,
        max_in_flight_bytes=settings.grpc_max_in_flight_bytes,
    )
    return NativeGrpcFrontend(engine, data, control, options, door)


def _http_frontend(
    settings: Settings, engine: Engine, control: ControlPlane, data: DataPlane
) -> Frontend:
    http = HttpOptions(
        address=settings.http_address,
        port=settings.http_port,
        reuse_port=settings.reuse_http_port,
        max_input_bytes=settings.http_max_input_size,
        max_body_bytes=settings.http_max_body_size,
        tls=settings.tls("http"),
    )
    if settings.data_plane == "python" or _ends_tls(http.tls, "HTTP"):
        return HttpFrontend(data, control, http)
    door = DoorOptions(
        threads=settings.http_thread_count,
        max_connections=settings.http_max_connections,
        max_in_flight_bytes=settings.http_max_in_flight_bytes,
        header_timeout_s=settings.http_header_timeout_secs,
        body_timeout_s=settings.http_body_timeout_secs,
        idle_timeout_s=settings.http_idle_timeout_secs,
        send_timeout_s=settings.http_send_timeout_secs,
        min_bytes_per_second=settings.http_min_body_rate,
    )
    return NativeHttpFrontend(engine, data, control, http, door)


def _ends_tls(tls: TlsFiles | None, protocol: str) -> bool:
    """Is TLS asked for? Then the Python frontend serves, which is said: it costs."""
    if tls is None:
        return False
    _LOGGER.warning(
        "%s over TLS is served by the Python frontend: the native data plane does not speak TLS",
        protocol,
    )
    return True


def _metrics(settings: Settings, engine: Engine, loader: ModelLoader) -> MetricsRegistry:
    registry = MetricsRegistry()
    registry.add(custom_metrics)
    registry.add(
        ModelCollector(lambda: [_snapshot(served, loader) for served in loader.all_published()])
    )
    registry.add(
        PinnedPoolCollector(
            settings.pinned_memory_pool_byte_size, lambda: engine.pool_stats()["in_use_bytes"]
        )
    )
    if settings.allow_gpu_metrics and "TRITON_SERVER_CPU_ONLY" not in os.environ:
        registry.add(GpuCollector(Nvml().read))
    if settings.allow_cpu_metrics:
        registry.add(CpuCollector())
    return registry


def _snapshot(served: LoadedVersion, loader: ModelLoader) -> ModelSnapshot:
    return ModelSnapshot(
        model=served.name,
        namespace=served.namespace,
        version=str(served.version),
        statistics=served.model.statistics(),
        load_seconds=served.load_seconds,
        tags=dict(served.config.metric_tags),
        gpu_uuid=_gpu_uuid(served, loader),
    )


def _gpu_uuid(served: LoadedVersion, loader: ModelLoader) -> str:
    """Counters are a version's, so they are a GPU's only where all instances are on that one."""
    devices = {
        instance.device_id if instance.kind == "GPU" else None
        for instance in make_instances(served.config)
        if not instance.passive
    }
    device = devices.pop() if len(devices) == 1 else None
    return "" if device is None else loader.find_gpus().uuid(device)


def _report(index: Iterable[IndexEntry], failures: Iterable[LoadFailure]) -> None:
    """The table of models (Model, Version, Status) and a line for each failure."""
    for failure in failures:
        _LOGGER.error("failed to load '%s': %s", failure.name, failure.reason)
    rows = []
    for entry in index:
        status = "" if entry.state is None else entry.state.value
        if entry.reason:
            status = f"{status}: {entry.reason}"
        rows.append((entry.name, "-" if entry.version is None else str(entry.version), status))
    log_block(format_table(("Model", "Version", "Status"), rows))


def _log_settings(settings: Settings) -> LogSettings:
    return LogSettings(
        verbose=settings.log_verbose,
        info=settings.log_info,
        warning=settings.log_warning,
        error=settings.log_error,
        format=settings.log_format,
        file=settings.log_file,
        escape=os.environ.get("TRITON_SERVER_ESCAPE_LOG_MESSAGES") != "0",
    )


def _lifecycle_options(settings: Settings) -> LifecycleOptions:
    return LifecycleOptions(
        control_mode=settings.model_control_mode,
        load_models=settings.load_models,
        auto_complete=settings.auto_complete,
        config_name=settings.model_config_name,
        thread_count=settings.model_load_thread_count,
        retry_count=settings.model_load_retry_count,
        strict_readiness=settings.strict_readiness,
        poll_secs=settings.repository_poll_secs,
    )


def _store_options(settings: Settings) -> StoreOptions:
    return StoreOptions(
        cache_directory=settings.model_cache_directory,
        cache_bytes=settings.model_cache_byte_size,
        timeout_s=settings.model_store_timeout_secs,
        ask_metadata=settings.model_store_ask_metadata,
    )


def _grpc_options(settings: Settings) -> GrpcOptions:
    return GrpcOptions(
        address=settings.grpc_address,
        port=settings.grpc_port,
        reuse_port=settings.reuse_grpc_port,
        tls=settings.tls("grpc"),
        response_compression_level=settings.grpc_compression_level,
        keepalive_time_ms=settings.grpc_keepalive_time_ms,
        keepalive_timeout_ms=settings.grpc_keepalive_timeout_ms,
        keepalive_permit_without_calls=settings.grpc_keepalive_permit_without_calls,
        http2_max_pings_without_data=settings.grpc_http2_max_pings_without_data,
        http2_min_recv_ping_interval_without_data_ms=(
            settings.grpc_http2_min_recv_ping_interval_without_data_ms
        ),
        http2_max_ping_strikes=settings.grpc_http2_max_ping_strikes,
        max_connection_age_ms=settings.grpc_max_connection_age_ms,
        max_connection_age_grace_ms=settings.grpc_max_connection_age_grace_ms,
    )
