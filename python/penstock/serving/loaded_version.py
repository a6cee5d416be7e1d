# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A model version that is loaded, and how its instances are matched with those that are wanted."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from penstock._engine import ModelPlan, ModelVersion
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import InstanceSpec, LoadedModel
from penstock.config.plan import InstanceData, PlanSpec
from penstock.serving.instances import InstanceThread

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedVersion:
    """What requests, metadata and metrics need of a version."""

    name: str
    version: int
    config: ModelConfig
    model: ModelVersion
    plan: PlanSpec
    loaded: LoadedModel
    instances: Sequence[InstanceThread]
    #: where the time of the load went, in seconds
    stages: Mapping[str, float] = field(default_factory=dict)
    namespace: str = ""

    @property
    def load_seconds(self) -> float:
        """All stages together."""
        return sum(self.stages.values())


class NothingLoaded:
    """What an ensemble has instead of a back end."""

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> NoReturn:
        """Never called: an ensemble has no instances."""
        raise AssertionError("an ensemble has no instances")

    def unload(self) -> None:
        """Nothing to do."""


class StageClock:
    """Takes the times of one load."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.monotonic()

    def passed(self, stage: str) -> None:
        """The stage is over."""
        now = time.monotonic()
        self.stages[stage] = now - self._last
        self._last = now


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


def free(name: str, version: int, loaded: LoadedModel) -> None:
    """Frees what the back end holds; its failure is nobody's but the log's."""
    try:
        loaded.unload()
    except Exception:
        _LOGGER.exception("failed to unload model '%s' version %d cleanly", name, version)


def _kind(spec: InstanceSpec) -> InstanceSpec:
    return dataclasses.replace(spec, name="", index=0)
