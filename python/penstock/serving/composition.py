# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The server without its frontends, put together from settings."""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from penstock._engine import Engine, keep_large_blocks
from penstock.backends.python.pb_utils.control import set_model_control
from penstock.backends.registry import find_backend
from penstock.config.settings import Settings
from penstock.devices.cuda import find_gpus
from penstock.devices.host_policy import resolve_host_policies
from penstock.devices.runtime import cuda_runtime_libraries
from penstock.models.lifecycle import Lifecycle, LifecycleOptions
from penstock.models.repository import Repository, open_repository
from penstock.models.stores.open_source import RemoteSources, StoreOptions
from penstock.serving.environments.environments import Environments, default_root
from penstock.serving.loader import ModelLoader
from penstock.serving.model_control import ServerModelControl
from penstock.serving.on_demand import ModelsOnDemand

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Core:
    """What loads models and answers requests."""

    engine: Engine
    repository: Repository
    loader: ModelLoader
    lifecycle: Lifecycle
    remote: RemoteSources
    #: None: models are loaded as the control mode says
    on_demand: ModelsOnDemand | None = None

    def close(self) -> None:
        """What was fetched for this process alone is removed."""
        if self.on_demand is not None:
            self.on_demand.close()
        self.remote.close()


def compose_core(settings: Settings) -> Core:
    """Nothing is loaded yet. Raises ServerError."""
    remote = RemoteSources(_store_options(settings), os.environ)
    repository = open_repository(
        settings.model_repositories, remote.open, namespacing=settings.model_namespacing
    )
    # ONNX Runtime 1.29 and later tell their maker of the models and the machine, of themselves or
    # in a model's process, unless it is said before they start. Who wants that says 0.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    keep_large_blocks()
    engine = Engine(
        max_requests=settings.max_requests,
        pool_cached_bytes=settings.pinned_memory_pool_byte_size,
        response_cache_bytes=settings.cache.local_bytes,
        redis=settings.cache.redis,
        pinned=settings.pinned_memory_pool_byte_size > 0,
        devices=True,
        cuda_libraries=cuda_runtime_libraries(),
        device_pool_bytes=dict(settings.cuda_memory_pool_byte_size),
        rate_limited=settings.rate_limit == "execution_count",
        resources=settings.rate_limit_resources,
        short_work_first=settings.short_work_first,
    )
    _LOGGER.info("Memory for tensors: %s", engine.memory_report)
    named = settings.backend_directory
    backend_directory = Path(named).absolute() if named else None
    loader = ModelLoader(
        engine,
        functools.partial(find_backend, directory=backend_directory),
        backend_settings=settings.backend_settings,
        find_gpus=lambda: find_gpus(settings.min_supported_compute_capability),
        host_policies=resolve_host_policies(settings.host_policies),
        gpu_limits=dict(settings.model_load_gpu_limit),
        queue_capacity=settings.queue_capacity,
        metrics=settings.metrics,
        drain_timeout_s=float(settings.exit_timeout_secs),
        environments=_environments(settings),
        backend_directory=backend_directory,
        load_timeout_s=settings.model_load_timeout_secs,
    )
    lifecycle = Lifecycle(repository, loader, _lifecycle_options(settings))
    set_model_control(ServerModelControl(engine, lifecycle))
    on_demand = _on_demand(settings, engine, lifecycle, loader)
    return Core(engine, repository, loader, lifecycle, remote, on_demand)


def _on_demand(
    settings: Settings, engine: Engine, lifecycle: Lifecycle, loader: ModelLoader
) -> ModelsOnDemand | None:
    if not settings.model_memory_budget:
        return None
    return ModelsOnDemand(
        engine,
        lifecycle.on_demand,
        loader,
        budget_bytes=settings.model_memory_budget,
        threads=settings.model_load_thread_count,
    )


def _lifecycle_options(settings: Settings) -> LifecycleOptions:
    return LifecycleOptions(
        control_mode=settings.model_control_mode,
        load_models=settings.load_models,
        auto_complete=settings.auto_complete,
        config_name=settings.model_config_name,
        thread_count=settings.model_load_thread_count,
        retry_count=settings.model_load_retry_count,
        timeout_s=settings.model_load_timeout_secs,
        strict_readiness=settings.strict_readiness,
        poll_secs=settings.repository_poll_secs,
        on_demand=settings.model_memory_budget > 0,
    )


def _environments(settings: Settings) -> Environments:
    named = settings.environment_cache_directory
    root = Path(named).absolute() if named else default_root(os.environ)
    return Environments(root, settings.environment_cache_byte_size)


def _store_options(settings: Settings) -> StoreOptions:
    return StoreOptions(
        cache_directory=settings.model_cache_directory,
        cache_bytes=settings.model_cache_byte_size,
        timeout_s=settings.model_store_timeout_secs,
        ask_metadata=settings.model_store_ask_metadata,
    )
