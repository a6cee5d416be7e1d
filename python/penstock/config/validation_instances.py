# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Rules for instance groups (contract C-13 and 12.5); the GPUs come as an argument."""

from __future__ import annotations

from penstock._proto.model_config_pb2 import ModelConfig, ModelInstanceGroup
from penstock.config.platforms import ENSEMBLE_PLATFORM
from penstock.devices.gpus import NO_GPUS, Gpus
from penstock.errors import InvalidArgError

#: Each instance is a thread with a model of its own: what is beyond this is a slip of the pen.
MAX_INSTANCES = 1024


def validate_instance_groups(config: ModelConfig, gpus: Gpus = NO_GPUS) -> None:
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
        _validate_group(group, config, gpus)
    active = sum(instance_count(group) for group in config.instance_group if not group.passive)
    if not 1 <= active <= MAX_INSTANCES:
        raise InvalidArgError(
            f"model {config.name} has {active} instances that take requests, the number must be "
            f"in range [1, {MAX_INSTANCES}]"
        )


def instance_count(group: ModelInstanceGroup) -> int:
    """The instances of a normalised group: `count` on each of its GPUs (C-11)."""
    return group.count * max(1, len(group.gpus))


def _validate_group(group: ModelInstanceGroup, config: ModelConfig, gpus: Gpus) -> None:
    title = f"instance group {group.name} of model {config.name}"
    kind = ModelInstanceGroup.Kind.Name(group.kind)
    if group.kind in (ModelInstanceGroup.KIND_CPU, ModelInstanceGroup.KIND_MODEL) and group.gpus:
        raise InvalidArgError(f"{title} has kind {kind} but specifies one or more GPUs")
    if group.kind == ModelInstanceGroup.KIND_GPU:
        _validate_gpus(group, gpus, f"{title} has kind {kind}", title)
    if group.secondary_devices:
        _validate_secondary_devices(group, config, title)
    if group.profile:
        _validate_profile(group, config, title)


def _validate_gpus(group: ModelInstanceGroup, gpus: Gpus, has_kind: str, title: str) -> None:
    if not group.gpus:
        if gpus.ids:
            raise InvalidArgError(f"{has_kind} but specifies no GPUs")
        raise InvalidArgError(f"{has_kind} but no GPUs are available: {gpus.why_none}")
    listed = ", ".join(gpu.words for gpu in gpus.usable) or f"none: {gpus.why_none}"
    for gpu in group.gpus:
        if gpu not in gpus.ids:
            raise InvalidArgError(
                f"{title} specifies invalid or unsupported gpu id {gpu}. GPUs with at least the "
                f"minimum required CUDA compute compatibility of {gpus.min_compute_capability:.6f} "
                f"are: {listed}"
            )
    if len(set(group.gpus)) < len(group.gpus):
        raise InvalidArgError(f"{title} specifies a GPU more than once: {[*group.gpus]}")


def _validate_secondary_devices(group: ModelInstanceGroup, config: ModelConfig, title: str) -> None:
    """An NVDLA core helps a GPU to run a TensorRT engine, and nothing else does."""
    if config.backend != "tensorrt" or group.kind != ModelInstanceGroup.KIND_GPU:
        raise InvalidArgError(
            f"{title} specifies secondary_devices, which are only supported for TensorRT models "
            "of kind KIND_GPU"
        )
    if len(group.secondary_devices) > 1:
        raise InvalidArgError(
            f"{title} specifies {len(group.secondary_devices)} secondary_devices, at most one is "
            "supported"
        )
    if group.secondary_devices[0].device_id < 0:
        raise InvalidArgError(
            f"{title} specifies a secondary device with the negative id "
            f"{group.secondary_devices[0].device_id}"
        )


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
