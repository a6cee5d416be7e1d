# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Loads and unloads model versions: what the life cycle (models.loader.Loader) asks for.

A version is loaded by its back end, planned, created in the engine and given its instances before
anybody can find it; it is drained before it is freed.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, cast

from penstock._engine import Engine, ModelPlan, ModelVersion
from penstock._proto.model_config_pb2 import ModelConfig, ModelEnsembling, ModelInstanceGroup
from penstock.backends.interface import Backend, InstanceSpec, LoadedModel, ModelContext, UsesGpus
from penstock.config.plan import InstanceData, make_instances, make_plan_spec
from penstock.config.plan_ensemble import make_ensemble
from penstock.config.platforms import ENSEMBLE_PLATFORM
from penstock.config.validation import validate_response_cache
from penstock.devices.gpus import NO_GPUS, Gpus
from penstock.errors import InvalidArgError
from penstock.models.loader import VersionHandle
from penstock.serving.instances import InstanceThread, start_instances
from penstock.serving.plans import make_plan
from penstock.serving.warm_up import warm_up
from penstock.serving.workers.model import WorkerModel, Workers
from penstock.serving.workers.settings import runs_in_process

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedVersion:
    """A model version that is loaded: what requests, metadata and metrics need of it."""

    name: str
    version: int
    config: ModelConfig
    model: ModelVersion
    load_seconds: float
    loaded: LoadedModel
    instances: Sequence[InstanceThread]

    @property
    def alive(self) -> bool:
        """Whether an instance lives; those in the server do."""
        return self.model.alive

    @property
    def refusal(self) -> str:
        """Why no instance lives, and none is expected to soon."""
        return self.loaded.refusal if isinstance(self.loaded, WorkerModel) else ""


class ModelLoader:
    """The Loader of the life cycle, and the table of what is published. Thread safe."""

    def __init__(
        self,
        engine: Engine,
        find_backend: Callable[[str], Backend],
        *,
        backend_settings: Callable[[str], Mapping[str, str]] = lambda name: {},
        find_gpus: Callable[[], Gpus] = lambda: NO_GPUS,
        host_policies: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
        queue_capacity: int = 4096,
        drain_timeout_s: float = 30.0,
    ) -> None:
        """`backend_settings` gives --backend-config for one back end (contract 5.4).

        `find_gpus` is called once, when a model that may use one is loaded. `host_policies`: the
        cores of those that have settings (C-14).
        """
        self._engine = engine
        self._find_backend = find_backend
        self._backend_settings = backend_settings
        self._find_gpus = functools.cache(find_gpus)
        self._host_policies = host_policies
        self._queue_capacity = queue_capacity
        self._drain_timeout_s = drain_timeout_s
        self._cpu_share = len(os.sched_getaffinity(0))
        self._workers = Workers(engine)
        #: Called when instances have died or come back, on any thread, with nothing locked.
        self.on_change: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._published: dict[str, tuple[LoadedVersion, ...]] = {}

    def complete(
        self,
        name: str,
        model_dir: Path,
        version: int,
        config: ModelConfig,
        *,
        max_batch_size_set: bool,
    ) -> ModelConfig:
        """Lets the back end fill in what the configuration leaves open (3.2, stage B)."""
        if config.platform == ENSEMBLE_PLATFORM:  # it has none
            return config
        context = dataclasses.replace(
            self._context(name, model_dir, version, config), max_batch_size_set=max_batch_size_set
        )
        if runs_in_process(config):
            return self._workers.complete(context)
        self._find_backend(config.backend).auto_complete(context)
        return context.config

    def prefers_gpus(self, backend: str) -> bool:
        """Whether instances of KIND_AUTO go to GPUs (C-10). Raises ServerError."""
        found = self._find_backend(backend)
        return isinstance(found, UsesGpus) and found.prefers_gpus()

    def find_gpus(self) -> Gpus:
        """What was found when somebody first asked."""
        with self._lock:
            return self._find_gpus()

    def load_version(
        self, name: str, model_dir: Path, version: int, config: ModelConfig
    ) -> LoadedVersion:
        """Loads one version and starts its instances. Raises ServerError; nothing is left then."""
        if config.platform == ENSEMBLE_PLATFORM:
            return self._load_ensemble(name, model_dir, version, config)
        started = time.monotonic()
        context = self._context(name, model_dir, version, config)
        plan_spec = make_plan_spec(config, version, model_dir, queue_capacity=self._queue_capacity)
        plan = make_plan(plan_spec)
        specs = [self._instance_spec(data) for data in make_instances(config)]
        loaded = self._load(context)
        try:
            model = self._engine.create(plan)
            if plan_spec.cached and not model.statistics()["cached"]:
                _LOGGER.warning(
                    "model '%s' enables the response cache, but the server has none", name
                )
            if isinstance(loaded, WorkerModel):
                self._watch(model, loaded)
            instances = self._start(model, loaded, specs, context)
        except BaseException:
            _unload(name, version, loaded)
            raise
        return LoadedVersion(
            name=name,
            version=version,
            config=config,
            model=model,
            load_seconds=time.monotonic() - started,
            loaded=loaded,
            instances=instances,
        )

    def publish(self, name: str, ready: Sequence[VersionHandle], not_ready: Sequence[int]) -> None:
        """Requests find exactly these versions from now on."""
        versions = tuple(sorted(cast(Sequence[LoadedVersion], ready), key=lambda v: v.version))
        with self._lock:
            self._engine.publish(name, [version.model for version in versions], not_ready)
            self._published[name] = versions

    def forget(self, name: str) -> None:
        """The name becomes one that was never known."""
        with self._lock:
            self._engine.forget(name)
            self._published.pop(name, None)

    def unload_version(self, handle: VersionHandle) -> None:
        """Waits for the version's requests, finalizes its instances and frees it."""
        version = cast(LoadedVersion, handle)
        self._stop(version.model, version.instances)
        _unload(version.name, version.version, version.loaded)

    def published(self, name: str) -> tuple[LoadedVersion, ...]:
        """The versions of a model that requests find now, ascending; empty when none is."""
        with self._lock:
            return self._published.get(name, ())

    def all_published(self) -> list[LoadedVersion]:
        """All versions that requests find now, by name and version."""
        with self._lock:
            return [
                version for name in sorted(self._published) for version in self._published[name]
            ]

    def _load(self, context: ModelContext) -> LoadedModel:
        if runs_in_process(context.config):
            return self._workers.load(context)
        return self._find_backend(context.config.backend).load(context)

    def _watch(self, model: ModelVersion, loaded: WorkerModel) -> None:
        def changed() -> None:
            model.set_alive(loaded.alive)
            self.on_change()

        loaded.on_change = changed

    def _load_ensemble(
        self, name: str, model_dir: Path, version: int, config: ModelConfig
    ) -> LoadedVersion:
        """Its models are loaded already: the life cycle sees to that (contract 2.9)."""
        models = [self._composing(config, step) for step in config.ensemble_scheduling.step]
        ensemble = make_ensemble(config, models)
        if any(step.decoupled for step in ensemble.steps):  # S-45
            config.model_transaction_policy.decoupled = True
            validate_response_cache(config)
        spec = make_plan_spec(
            config, version, model_dir, queue_capacity=self._queue_capacity, ensemble=ensemble
        )
        return LoadedVersion(
            name=name,
            version=version,
            config=config,
            model=self._engine.create(make_plan(spec)),
            load_seconds=0.0,
            loaded=_NothingLoaded(),
            instances=(),
        )

    def _composing(self, config: ModelConfig, step: ModelEnsembling.Step) -> ModelConfig:
        """The configuration that the step's model is served with."""
        needs = f"ensemble '{config.name}' depends on '{step.model_name}'"
        versions = self.published(step.model_name)
        if not versions:
            raise InvalidArgError(f"{needs} which has no loaded version.")
        for loaded in reversed(versions):
            if step.model_version in (-1, loaded.version):
                return loaded.config
        raise InvalidArgError(f"{needs} whose required version {step.model_version} is not loaded.")

    def _context(
        self, name: str, model_dir: Path, version: int, config: ModelConfig
    ) -> ModelContext:
        return ModelContext(
            name=name,
            version=version,
            model_dir=model_dir,
            config=config,
            backend_config=self._backend_settings(config.backend),
            cpu_share=self._cpu_share,
            gpus=self.find_gpus() if config.backend and self._may_use_gpus(config) else NO_GPUS,
        )

    def _may_use_gpus(self, config: ModelConfig) -> bool:
        gpu = ModelInstanceGroup.KIND_GPU
        named = any(group.kind == gpu or group.gpus for group in config.instance_group)
        return named or self.prefers_gpus(config.backend)

    def _instance_spec(self, data: InstanceData) -> InstanceSpec:
        cores = self._host_policies.get(data.host_policy, ())
        return InstanceSpec(**dataclasses.asdict(data), cores=cores)

    def _start(
        self,
        model: ModelVersion,
        loaded: LoadedModel,
        specs: Sequence[InstanceSpec],
        context: ModelContext,
    ) -> list[InstanceThread]:
        instances = start_instances(model, loaded, specs)
        try:
            for instance, spec in zip(instances, specs, strict=True):
                instance.wait_created()
                _LOGGER.info(
                    "Created model instance named '%s' with device id '%d'",
                    spec.name,
                    spec.device_id,
                )
            warm_up(model, context.config, context.model_dir)
        except BaseException:
            self._stop(model, instances)
            raise
        return instances

    def _stop(self, model: ModelVersion, instances: Sequence[InstanceThread]) -> None:
        self._engine.retire(model, self._drain_timeout_s)
        for instance in instances:
            instance.stop()
        deadline = time.monotonic() + self._drain_timeout_s
        for instance in instances:
            if not instance.join(max(0.0, deadline - time.monotonic())):
                _LOGGER.error(
                    "an instance of model '%s' version %d did not end in time; it is left behind",
                    model.name,
                    model.version,
                )


class _NothingLoaded:
    """What an ensemble has instead of a back end."""

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> NoReturn:
        """Never called: an ensemble has no instances."""
        raise AssertionError("an ensemble has no instances")

    def unload(self) -> None:
        """Nothing to do."""


def _unload(name: str, version: int, loaded: LoadedModel) -> None:
    """Frees what the back end holds; its failure is nobody's but the log's."""
    try:
        loaded.unload()
    except Exception:
        _LOGGER.exception("failed to unload model '%s' version %d cleanly", name, version)
