# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A model version that is loaded, and the clock of its load."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from penstock._engine import ModelPlan, ModelVersion
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import InstanceSpec, LoadedModel
from penstock.config.plan import PlanSpec
from penstock.serving.instances import InstanceThread
from penstock.serving.load_memory import HOST, Place
from penstock.serving.workers.model import WorkerModel

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
    #: what its load has taken, in bytes, by place
    memory: Mapping[Place, int] = field(default_factory=dict)

    @property
    def memory_usage(self) -> dict[Place, int]:
        """Bytes by place (contract 1.11): of worker processes now, else as the load has taken."""
        if isinstance(self.loaded, WorkerModel):
            return {**self.memory, HOST: self.loaded.rss_bytes()}
        return dict(self.memory)

    @property
    def problem(self) -> str:
        """Why it can answer nothing any more (its GPUs are lost); empty while it can."""
        return self.model.problem

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


def free(name: str, version: int, loaded: LoadedModel) -> None:
    """Frees what the back end holds; its failure is nobody's but the log's."""
    try:
        loaded.unload()
    except Exception:
        _LOGGER.exception("failed to unload model '%s' version %d cleanly", name, version)
