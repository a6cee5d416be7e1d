# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Fills in what a model configuration leaves to the server's defaults (contract R-12).

Both functions change the message they are given, and doing them twice changes nothing more.
"""

from __future__ import annotations

from penstock._proto.model_config_pb2 import ModelConfig, ModelInstanceGroup
from penstock.config.platforms import BACKEND_OF_PLATFORM, ENSEMBLE_PLATFORM
from penstock.devices.gpus import NO_GPUS, Gpus

_DEFAULT_SEQUENCE_IDLE_US = 1_000_000

#: Back ends that serve better with two instances on a CPU (C-11).
_TWO_INSTANCES = frozenset({"onnxruntime", "tensorflow"})


def normalise(config: ModelConfig) -> None:
    """All defaults but the instance groups."""
    if not config.backend and config.platform in BACKEND_OF_PLATFORM:
        config.backend = BACKEND_OF_PLATFORM[config.platform]
    if config.version_policy.WhichOneof("policy_choice") is None:
        config.version_policy.latest.num_versions = 1
    if config.platform != ENSEMBLE_PLATFORM:
        optimization = config.optimization
        if not optimization.HasField("input_pinned_memory"):
            optimization.input_pinned_memory.enable = True
        if not optimization.HasField("output_pinned_memory"):
            optimization.output_pinned_memory.enable = True
    _normalise_batching(config)


def normalise_instance_groups(
    config: ModelConfig, gpus: Gpus = NO_GPUS, *, prefers_gpus: bool = False
) -> None:
    """At least one group, each with a name, a kind, a count, and its GPUs (C-10 to C-12).

    `gpus`: what was found. `prefers_gpus`: whether the back end runs on them when nobody says
    where; a back end that cannot would fail each model that says nothing.
    """
    if config.platform == ENSEMBLE_PLATFORM:
        return
    if not config.instance_group:
        config.instance_group.add(name=config.name)
    for index, group in enumerate(config.instance_group):
        if not group.name:
            group.name = f"{config.name}_{index}"
        if group.kind == ModelInstanceGroup.KIND_AUTO:
            group.kind = _automatic_kind(group, gpus, prefers_gpus=prefers_gpus)
        if group.kind == ModelInstanceGroup.KIND_GPU and not group.gpus:
            group.gpus.extend(gpus.ids)
        if group.count < 1:
            on_cpu = group.kind == ModelInstanceGroup.KIND_CPU
            group.count = 2 if on_cpu and config.backend in _TWO_INSTANCES else 1


def _automatic_kind(
    group: ModelInstanceGroup, gpus: Gpus, *, prefers_gpus: bool
) -> ModelInstanceGroup.Kind:
    """GPU when the listed ones exist; CPU otherwise, which validation refuses for a list."""
    on_gpus = set(group.gpus) <= set(gpus.ids) if group.gpus else prefers_gpus and bool(gpus.ids)
    return ModelInstanceGroup.KIND_GPU if on_gpus else ModelInstanceGroup.KIND_CPU


def _normalise_batching(config: ModelConfig) -> None:
    if config.HasField("dynamic_batching"):
        preferred = config.dynamic_batching.preferred_batch_size
        if not preferred and config.max_batch_size > 0:
            preferred.append(config.max_batch_size)
    elif config.HasField("sequence_batching"):
        batching = config.sequence_batching
        if batching.max_sequence_idle_microseconds == 0:
            batching.max_sequence_idle_microseconds = _DEFAULT_SEQUENCE_IDLE_US
        if batching.WhichOneof("strategy_choice") is None:
            batching.direct.SetInParent()
        if batching.HasField("oldest"):
            preferred = batching.oldest.preferred_batch_size
            if not preferred and config.max_batch_size > 0:
                preferred.append(config.max_batch_size)
