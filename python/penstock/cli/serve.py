# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Composes the server from its settings and runs it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import uvloop

from penstock._engine import (
    DURATION_BOUNDS_NS,
    Engine,
    HeaderForwarding,
    device_pools,
    engine_has_devices,
)
from penstock.backends.python.pb_utils.metrics import custom_metrics
from penstock.cli.table import format_table
from penstock.config.metrics_settings import MetricsSettings
from penstock.config.plan import make_instances
from penstock.config.restricted_apis import GRPC_PREFIX, restrictions
from penstock.config.settings import Settings
from penstock.config.tls import TlsFiles
from penstock.config.trace_settings import OPENTELEMETRY
from penstock.errors import Code, InvalidArgError, ServerError
from penstock.frontends.grpc.native import GrpcDoorOptions, NativeGrpcFrontend
from penstock.frontends.grpc.server import GrpcFrontend, GrpcOptions
from penstock.frontends.header_policy import HeaderPolicy
from penstock.frontends.http.native import DoorOptions, NativeHttpFrontend
from penstock.frontends.http.server import HttpFrontend, HttpOptions
from penstock.frontends.metrics.server import MetricsFrontend, MetricsOptions
from penstock.models.lifecycle import IndexEntry, LoadFailure
from penstock.serving.cache_watch import watch_cache
from penstock.serving.composition import compose_core
from penstock.serving.control_plane import ControlPlane
from penstock.serving.core_notices import log_notices
from penstock.serving.data_plane import DataPlane
from penstock.serving.loaded_version import LoadedVersion
from penstock.serving.loader import ModelLoader
from penstock.serving.log_control import LogControl
from penstock.serving.server import Frontend, Server
from penstock.serving.shared_memory import SharedMemory
from penstock.serving.trace_control import TraceControl
from penstock.serving.trace_export import TraceExport
from penstock.telemetry.cpu import CpuCollector
from penstock.telemetry.device_pools import DevicePool, DevicePoolCollector
from penstock.telemetry.gpu import GpuCollector
from penstock.telemetry.logging import LogSettings, ServerLog, log_block, setup_logging
from penstock.telemetry.metrics import (
    ModelCollector,
    ModelSnapshot,
    PinnedPoolCollector,
    RemoteCacheCollector,
)
from penstock.telemetry.nvml import Nvml
from penstock.telemetry.orca import endpoint_load_metrics
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
    Code.DEADLINE_EXCEEDED: "Deadline exceeded",
}


def serve(settings: Settings) -> int:
    """Runs a server until it is told to stop. Returns the exit code; failures are one line."""
    try:
        log = setup_logging(_log_settings(settings))
    except OSError as error:
        return _fail(f"unable to open the log file '{settings.log_file}': {error.strerror}")
    for warning in settings.warnings:
        _LOGGER.warning(warning)
    try:
        return uvloop.run(_run(settings, log))
    except ServerError as error:
        return _fail(f"creating server: {_CODE_NAMES[error.code]} - {error.message}")


def _fail(cause: str) -> int:
    print(f"error: {cause}", file=sys.stderr)
    return 1


async def _run(settings: Settings, log: ServerLog) -> int:
    """Builds the rooms from the bottom up, and runs the server of them."""
    core = compose_core(settings)
    engine, loader, lifecycle = core.engine, core.loader, core.lifecycle
    traces = TraceExport(engine, settings.trace)
    control = ControlPlane(
        engine,
        lifecycle,
        loader,
        server_id=settings.id,
        logs=LogControl(log),
        on_demand=core.on_demand,
        shared_memory=SharedMemory(engine, allowed=settings.allow_client_shm),
        traces=TraceControl(
            settings.trace, traces.apply, is_served=lambda name: bool(loader.published(name))
        ),
    )
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
    watches = [asyncio.create_task(watch(engine)) for watch in (watch_cache, log_notices)]
    if core.on_demand is not None:
        watches.append(asyncio.create_task(core.on_demand.run()))
    try:
        return await server.run()
    finally:
        for watch in watches:
            watch.cancel()
        data.close()
        traces.close()
        core.close()


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
        headers=_header_policy(
            settings,
            restrictions(settings.http_restricted_api),
            "http-header-forward-pattern",
            settings.http_header_forward_pattern,
        ),
        load_metrics=partial(endpoint_load_metrics, custom_metrics)
        if settings.allow_metrics
        else None,
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


def _header_policy(
    settings: Settings, restricted: Mapping[str, tuple[str, str]], option: str, pattern: str
) -> HeaderPolicy:
    """Raises InvalidArgError that names the option of a pattern that is none."""
    try:
        forwarding = HeaderForwarding(pattern) if pattern else None
    except ServerError as error:
        raise InvalidArgError(f"--{option}: {error.message}") from None
    return HeaderPolicy(
        restricted=restricted,
        forwarding=forwarding,
        trace_context=settings.trace.mode == OPENTELEMETRY,
    )


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
    registry.add(_model_metrics(settings.metrics, loader))
    registry.add(
        PinnedPoolCollector(
            settings.pinned_memory_pool_byte_size, lambda: engine.pool_stats()["in_use_bytes"]
        )
    )
    if engine_has_devices(engine):
        registry.add(DevicePoolCollector(lambda: _device_pools(engine, loader)))
    if engine.remote_cache_state() is not None:
        registry.add(RemoteCacheCollector(lambda: (engine.remote_cache_state() or (False,))[0]))
    if settings.allow_gpu_metrics and "TRITON_SERVER_CPU_ONLY" not in os.environ:
        registry.add(GpuCollector(Nvml().read))
    if settings.allow_cpu_metrics:
        registry.add(CpuCollector())
    return registry


def _model_metrics(metrics: MetricsSettings, loader: ModelLoader) -> ModelCollector:
    quantiles = [quantile for quantile, _ in metrics.summary_quantiles]

    def snapshots() -> list[ModelSnapshot]:
        return [_snapshot(served, loader, quantiles) for served in loader.all_published()]

    return ModelCollector(
        snapshots,
        counters=metrics.counter_latencies,
        duration_bounds_ns=DURATION_BOUNDS_NS,
        quantiles=quantiles,
    )


def _snapshot(
    served: LoadedVersion, loader: ModelLoader, quantiles: Sequence[float]
) -> ModelSnapshot:
    return ModelSnapshot(
        model=served.name,
        namespace=served.namespace,
        version=str(served.version),
        statistics=served.model.statistics(),
        summaries=served.model.summaries(quantiles),
        first_response_bounds_ms=served.plan.first_response_bounds_ms,
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


def _device_pools(engine: Engine, loader: ModelLoader) -> list[DevicePool]:
    return [
        DevicePool(
            gpu_uuid=loader.find_gpus().uuid(pool["device"]),
            total_bytes=pool["pool_bytes"],
            used_bytes=pool["in_use_bytes"],
        )
        for pool in device_pools(engine)
    ]


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


def _grpc_options(settings: Settings) -> GrpcOptions:
    return GrpcOptions(
        address=settings.grpc_address,
        port=settings.grpc_port,
        reuse_port=settings.reuse_grpc_port,
        tls=settings.tls("grpc"),
        headers=_header_policy(
            settings,
            restrictions(settings.grpc_restricted_protocol, GRPC_PREFIX),
            "grpc-header-forward-pattern",
            settings.grpc_header_forward_pattern,
        ),
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
