# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Rules for instance groups (contract C-13 and 12.5)."""

from __future__ import annotations

from penstock._proto.model_config_pb2 import ModelConfig, ModelInstanceGroup
from penstock.config.platforms import ENSEMBLE_PLATFORM
from penstock.errors import InvalidArgError

#: Each instance is a thread with a model of its own: what is beyond this is a slip of the pen.
MAX_INSTANCES = 1024


def validate_instance_groups(config: ModelConfig) -> None:
    """All groups of a normalised configuration. Raises InvalidArgError."""
    if config.platform == ENSEMBLE_PLATFORM:
        if config.instance_group:
            raise InvalidArgError(
                f"instance group should not be specified for ensemble '{config.name}'"
            )
        return
    if not config.instance_group:
        raise InvalidArgError(f"must specify one or more 'instance group's for {config.name}")
    for group in config.instance_group:
        _validate_group(group, config)
    active = sum(group.count for group in config.instance_group if not group.passive)
    if not 1 <= active <= MAX_INSTANCES:
        raise InvalidArgError(
            f"model {config.name} has {active} instances that take requests, the number must be "
            f"in range [1, {MAX_INSTANCES}]"
        )


def _validate_group(group: ModelInstanceGroup, config: ModelConfig) -> None:
    title = f"instance group {group.name} of model {config.name}"
    kind = ModelInstanceGroup.Kind.Name(group.kind)
    if group.kind in (ModelInstanceGroup.KIND_CPU, ModelInstanceGroup.KIND_MODEL) and group.gpus:
        raise InvalidArgError(f"{title} has kind {kind} but specifies one or more GPUs")
    if group.kind == ModelInstanceGroup.KIND_GPU:
        raise InvalidArgError(f"{title} has kind {kind} but server does not support GPUs")
    if group.profile:
        _validate_profile(group, config, title)


def _validate_profile(group: ModelInstanceGroup, config: ModelConfig, title: str) -> None:
    if config.backend != "tensorrt":
        raise InvalidArgError(
            f"{title} and platform {config.platform}specifies profile field which is only "
            "supported for TensorRT models"
        )
    for profile in group.profile:
        if not (profile.isascii() and profile.isdigit()):
            raise InvalidArgError(
                f"{title} and platform {config.platform} specifies invalid profile {profile}. "
                "The field should contain the string representation of a non-negative integer."
            )
