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
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

from penstock._engine import Engine, ModelVersion
from penstock._proto.model_config_pb2 import ModelConfig, ModelEnsembling, ModelInstanceGroup
from penstock.backends.interface import (
    AnswersAsGiven,
    Backend,
    InstanceSpec,
    LoadedModel,
    ModelContext,
    UsesGpus,
)
from penstock.config.metrics_settings import DEFAULT_METRICS, MetricsSettings
from penstock.config.plan import InstanceData, PlanSpec, make_instances, make_plan_spec
from penstock.config.plan_ensemble import EnsembleData, make_ensemble
from penstock.config.platforms import ENSEMBLE_PLATFORM
from penstock.config.validation import validate_response_cache
from penstock.devices.gpus import NO_GPUS, Gpus
from penstock.errors import InvalidArgError
from penstock.models.identity import ModelId
from penstock.models.loader import NO_KEYS, VersionHandle
from penstock.serving.device_memory import check_limits, instance_devices
from penstock.serving.environments.environments import Environments, default_root
from penstock.serving.instance_sets import InstanceSets, place
from penstock.serving.load_memory import (
    HOST,
    MemoryMeter,
    allocated_bytes,
    read_memory,
    release_free_memory,
    trimming,
)
from penstock.serving.loaded_version import (
    LoadedVersion,
    NothingLoaded,
    StageClock,
    free,
)
from penstock.serving.model_plan import make_plan
from penstock.serving.published import Published
from penstock.serving.workers.model import WorkerModel, Workers
from penstock.serving.workers.settings import runs_in_process

_LOGGER = logging.getLogger(__name__)
#: Bytes that a model gave back to the C library, from which on a walk over the heap is worth it.
_WORTH_RELEASING: Final = 1 << 20


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
        gpu_limits: Mapping[int, float] = MappingProxyType({}),
        queue_capacity: int = 4096,
        metrics: MetricsSettings = DEFAULT_METRICS,
        drain_timeout_s: float = 30.0,
        environments: Environments | None = None,
        backend_directory: Path | None = None,
        load_timeout_s: float = 0.0,
    ) -> None:
        """`backend_settings` gives --backend-config for one back end (contract 5.4).

        `find_gpus` is called once, when a model that may use one is loaded. `host_policies`: the
        cores of those that have settings (C-14). `gpu_limits`: by GPU, the share of its memory in
        use from which no model is loaded there (R-31). `environments`: the user's without.
        `backend_directory`: as `find_backend` knows it. `load_timeout_s`: of instances that are
        added to a version that serves; 0: none. Loads are bounded by who asks for them.
        """
        self._engine = engine
        self._find_backend = find_backend
        self._backend_settings = backend_settings
        self._find_gpus = functools.cache(find_gpus)
        self._host_policies = host_policies
        self._gpu_limits = gpu_limits
        self._queue_capacity = queue_capacity
        self._metrics = metrics
        self._instances = InstanceSets(engine, drain_timeout_s, load_timeout_s, self._has_problem)
        self._cpu_share = len(os.sched_getaffinity(0))
        environments = environments or Environments(default_root(os.environ))
        self._workers = Workers(engine, environments, backend_directory)
        self._memory = MemoryMeter(functools.partial(read_memory, engine))
        #: Called when instances have died or come back, on any thread, with nothing locked.
        self.on_change: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._published = Published(engine)

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
        backend = self._find_backend(config.backend)
        if runs_in_process(config, backend):
            return self._workers.complete(context, backend)
        with trimming():
            backend.auto_complete(context)
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
        self,
        name: str,
        model_dir: Path,
        version: int,
        config: ModelConfig,
        *,
        namespace: str = "",
        composing: Mapping[str, str] = NO_KEYS,
    ) -> LoadedVersion:
        """Loads one version and starts its instances. Raises ServerError; nothing is left then."""
        if config.platform == ENSEMBLE_PLATFORM:
            return self._load_ensemble(model_dir, version, config, namespace, composing)
        context = self._context(name, model_dir, version, config)
        specs = [self._instance_spec(data) for data in make_instances(config)]
        check_limits(self._engine, name, specs, self._gpu_limits)
        with trimming(), self._memory.measure(_gpus_of(specs)) as growth:
            loaded = self._load(context, specs, namespace)
        return dataclasses.replace(loaded, memory=growth.usage())

    def _load(
        self, context: ModelContext, specs: Sequence[InstanceSpec], namespace: str
    ) -> LoadedVersion:
        clock = StageClock()
        name, version, config = context.name, context.version, context.config
        plan_spec = self._plan_spec(config, version, context.model_dir)
        backend = self._find_backend(config.backend)
        if isinstance(backend, AnswersAsGiven):
            as_given = backend.answers_as_given()
            plan_spec = dataclasses.replace(plan_spec, outputs_as_given=as_given)
        apart = runs_in_process(config, backend)
        if not apart:
            devices = instance_devices(self._engine, backend, context, specs)
            plan_spec = dataclasses.replace(plan_spec, instance_devices=devices)
        plan = make_plan(plan_spec)
        loaded: LoadedModel = (
            self._workers.load(context, backend) if apart else backend.load(context)
        )
        clock.passed("load")
        try:
            model = self._engine.create(plan)
            if plan_spec.cached and not model.statistics()["cached"]:
                _LOGGER.warning(
                    "model '%s' enables the response cache, but the server has none", name
                )
            if isinstance(loaded, WorkerModel):
                self._watch(model, loaded)
            instances = self._instances.start(model, loaded, specs, context, clock)
        except BaseException:
            free(name, version, loaded)
            raise
        finally:
            self._workers.end_load(context)
        return LoadedVersion(
            name=name,
            version=version,
            config=config,
            model=model,
            plan=plan_spec,
            loaded=loaded,
            instances=instances,
            stages=clock.stages,
            namespace=namespace,
        )

    def cut_load(self, model_dir: Path, version: int) -> bool:
        """Kills the worker processes that load the version. False: there are none."""
        return self._workers.cut(model_dir, version)

    def can_update(self, handle: VersionHandle, config: ModelConfig) -> bool:
        """R-25: sequences and the rate limiter know their instances, warm-ups come before the first
        request, and a back end has loaded the model for the devices that it knew of."""
        version = cast(LoadedVersion, handle)
        if config.model_warmup or version.model.instance_limit <= version.plan.instance_count:
            return False
        if version.plan.instance_devices:
            return False  # their tensors' places are part of the plan
        if any(group.HasField("rate_limiter") for group in config.instance_group):
            return False
        return {place(data) for data in make_instances(config)} <= {
            place(instance.spec) for instance in version.instances
        }

    def update_version(self, handle: VersionHandle, config: ModelConfig) -> LoadedVersion:
        """Instances that are alike but for their names go on. Raises ServerError."""
        version = cast(LoadedVersion, handle)
        clock = StageClock()
        specs = [self._instance_spec(data) for data in make_instances(config)]
        with self._memory.measure(_gpus_of(specs)) as growth:
            instances = self._instances.change(version, specs)
        clock.passed("instances")
        return dataclasses.replace(
            version,
            config=config,
            instances=instances,
            stages=clock.stages,
            memory=Counter(version.memory) + Counter(growth.usage()),
        )

    def publish(
        self,
        model: ModelId,
        ready: Sequence[VersionHandle],
        not_ready: Sequence[int],
        *,
        on_demand: bool = False,
    ) -> None:
        """Requests find exactly these versions from now on."""
        versions = cast(Sequence[LoadedVersion], ready)
        self._published.put(model, versions, not_ready, on_demand=on_demand)

    def forget(self, model: ModelId) -> None:
        """The model becomes one that was never known."""
        self._published.remove(model)

    def unload_version(self, handle: VersionHandle) -> None:
        """Waits for the version's requests, finalizes its instances and frees it."""
        version = cast(LoadedVersion, handle)
        self._instances.stop(version.model, version.instances)
        before = allocated_bytes()
        with trimming():
            free(version.name, version.version, version.loaded)
        # Either may miss it, where the next load is on already.
        if max(version.memory.get(HOST, 0), before - allocated_bytes()) >= _WORTH_RELEASING:
            release_free_memory()

    def published(self, name: str) -> tuple[LoadedVersion, ...]:
        """The versions of a model that requests find now, ascending; empty when none is.

        Raises InvalidArgError for a name that stands for several models (R-4).
        """
        return self._published.find(name)

    def all_published(self) -> list[LoadedVersion]:
        """All versions that requests find now, by name and version."""
        return self._published.all()

    def _has_problem(self, model: ModelVersion, why: str) -> None:
        model.set_problem(why)
        self.on_change()

    def _watch(self, model: ModelVersion, loaded: WorkerModel) -> None:
        def changed() -> None:
            model.set_problem(loaded.problem)
            self.on_change()

        loaded.on_change = changed

    def _load_ensemble(
        self,
        model_dir: Path,
        version: int,
        config: ModelConfig,
        namespace: str,
        composing: Mapping[str, str],
    ) -> LoadedVersion:
        """Its models are loaded already: the life cycle sees to that (contract 2.9)."""
        clock = StageClock()
        steps = config.ensemble_scheduling.step
        models = [self._composing(config, step, composing) for step in steps]
        ensemble = make_ensemble(config, [model.config for model in models], composing)
        if any(step.decoupled for step in ensemble.steps):  # S-45
            config.model_transaction_policy.decoupled = True
            validate_response_cache(config)
        spec = self._plan_spec(config, version, model_dir, ensemble, _step_labels(config, models))
        model = self._engine.create(make_plan(spec))
        clock.passed("load")
        return LoadedVersion(
            name=config.name,
            version=version,
            config=config,
            model=model,
            plan=spec,
            loaded=NothingLoaded(),
            instances=(),
            stages=clock.stages,
            namespace=namespace,
        )

    def _plan_spec(
        self,
        config: ModelConfig,
        version: int,
        model_dir: Path,
        ensemble: EnsembleData | None = None,
        labels: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> PlanSpec:
        return make_plan_spec(
            config,
            version,
            model_dir,
            queue_capacity=self._queue_capacity,
            metrics=self._metrics,
            ensemble=ensemble,
            labels=labels,
        )

    def _composing(
        self, config: ModelConfig, step: ModelEnsembling.Step, keys: Mapping[str, str]
    ) -> LoadedVersion:
        """The version of its model that the step is checked against."""
        needs = f"ensemble '{config.name}' depends on '{step.model_name}'"
        versions = self._published.of_key(keys.get(step.model_name, step.model_name))
        if not versions:
            raise InvalidArgError(f"{needs} which has no loaded version.")
        for loaded in reversed(versions):
            if step.model_version in (-1, loaded.version):
                return loaded
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


def _step_labels(
    config: ModelConfig, models: Sequence[LoadedVersion]
) -> dict[str, tuple[str, ...]]:
    """S-50: by ensemble tensor, the labels of the output that it is; `models`: of the steps."""
    return {
        step.output_map[output.name]: output.labels
        for step, model in zip(config.ensemble_scheduling.step, models, strict=True)
        for output in model.plan.outputs
        if output.labels and output.name in step.output_map
    }


def _gpus_of(specs: Sequence[InstanceSpec]) -> set[int]:
    return {spec.device_id for spec in specs if spec.kind == "GPU"}
