# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The instances of a version: started and warmed up together, changed while it serves (R-25), and
ended."""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Sequence

from penstock._engine import Engine, ModelVersion
from penstock.backends.interface import InstanceSpec, LoadedModel, ModelContext
from penstock.config.plan import InstanceData
from penstock.serving.instances import InstanceThread, Lives, start_instances
from penstock.serving.loaded_version import LoadedVersion, StageClock
from penstock.serving.warm_up import warm_up
from penstock.serving.workers.model import WorkerModel

_LOGGER = logging.getLogger(__name__)


class InstanceSets:
    """Thread safe; one call at a time for one version. Everything blocks."""

    def __init__(
        self,
        engine: Engine,
        end_timeout_s: float,
        change_timeout_s: float = 0.0,
        on_problem: Callable[[ModelVersion, str], None] = lambda model, why: None,
    ) -> None:
        """What does not end in time is left behind.

        `change_timeout_s`: of instances that are added to a version that serves; 0: none.
        `on_problem` is told why no instance of a version takes batches any more, or one says that
        it is not ready; "": it is again.
        """
        self._on_problem = on_problem
        self._engine = engine
        self._end_timeout_s = end_timeout_s
        self._change_timeout_s = change_timeout_s or None

    def start(
        self,
        model: ModelVersion,
        loaded: LoadedModel,
        specs: Sequence[InstanceSpec],
        context: ModelContext,
        clock: StageClock,
    ) -> list[InstanceThread]:
        """All of them, or none: raises what the first one raised."""
        lives = Lives(functools.partial(self._on_problem, model))
        instances = start_instances(model, loaded, specs, lives)
        try:
            for instance, spec in zip(instances, specs, strict=True):
                instance.wait_created()
                _LOGGER.info(
                    "Created model instance named '%s' with device id '%d'",
                    spec.name,
                    spec.device_id,
                )
            clock.passed("instances")
            warm_up(model, context.config, context.model_dir)
            clock.passed("warm-up")
        except BaseException:
            self.stop(model, instances)
            raise
        return instances

    def change(self, version: LoadedVersion, specs: Sequence[InstanceSpec]) -> list[InstanceThread]:
        """Those that the version has from now on; when one cannot be started, nothing changes."""
        kept, missing, superfluous = match_instances(version.instances, specs)
        lives = version.instances[0].lives
        started = start_instances(version.model, version.loaded, missing, lives)
        try:
            for instance in started:
                instance.wait_created(self._change_timeout_s)
        except BaseException:
            if isinstance(version.loaded, WorkerModel):
                version.loaded.cut()
            self._end(version.model, started)
            raise
        self._end(version.model, superfluous)
        _LOGGER.info(
            "model '%s' version %d: %d instances go on, %d were started, %d have ended",
            *(version.name, version.version, len(kept), len(started), len(superfluous)),
        )
        return [*kept, *started]

    def stop(self, model: ModelVersion, instances: Sequence[InstanceThread]) -> None:
        """After the version's last request."""
        self._engine.retire(model, self._end_timeout_s)
        for instance in instances:
            instance.stop()
        self._join(model, instances)

    def _end(self, model: ModelVersion, instances: Sequence[InstanceThread]) -> None:
        for instance in instances:
            instance.end()
        self._join(model, instances)

    def _join(self, model: ModelVersion, instances: Sequence[InstanceThread]) -> None:
        deadline = time.monotonic() + self._end_timeout_s
        for instance in instances:
            if not instance.join(max(0.0, deadline - time.monotonic())):
                _LOGGER.error(
                    "an instance of model '%s' version %d did not end in time; it is left behind",
                    model.name,
                    model.version,
                )


def place(instance: InstanceData | InstanceSpec) -> tuple[object, ...]:
    """Where an instance runs, as far as its back end has to know."""
    return (instance.kind, instance.device_id, instance.profiles, instance.dla_core)


def match_instances(
    running: Sequence[InstanceThread], wanted: Sequence[InstanceSpec]
) -> tuple[list[InstanceThread], list[InstanceSpec], list[InstanceThread]]:
    """Those that go on, those to be started, with numbers of their own, and those to end (R-25).

    Instances that differ in nothing but their name and number are the same.
    """
    left = list(running)
    kept: list[InstanceThread] = []
    missing: list[InstanceSpec] = []
    fresh = max((instance.spec.index for instance in running), default=-1) + 1
    for spec in wanted:
        same = next((one for one in left if _kind(one.spec) == _kind(spec)), None)
        if same is not None:
            left.remove(same)
            kept.append(same)
        else:
            number = -1 if spec.passive else fresh
            fresh += not spec.passive
            missing.append(dataclasses.replace(spec, index=number))
    return kept, missing, left


def _kind(spec: InstanceSpec) -> InstanceSpec:
    return dataclasses.replace(spec, name="", index=0)
