# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From instance groups to what each instance needs to run, for the rate limiter (4.5, C-16)."""

from __future__ import annotations

from dataclasses import dataclass

from penstock._proto.model_config_pb2 import ModelConfig, ModelInstanceGroup


@dataclass(frozen=True)
class InstanceLimitData:
    """What one instance needs, and how often it is its turn.

    resources: (name, count, whether it is one for the whole server). Instances of the CPU have the
    resources of device 0.
    """

    resources: tuple[tuple[str, int, bool], ...]
    priority: int
    device: int


def make_limits(config: ModelConfig) -> tuple[InstanceLimitData, ...]:
    """One for each instance that takes requests, in their order; none where nothing is limited."""
    limits = tuple(
        InstanceLimitData(_resources(group), group.rate_limiter.priority, device)
        for group in config.instance_group
        if not group.passive
        for device in group_devices(group)
    )
    return limits if any(one.resources or one.priority > 1 for one in limits) else ()


def group_devices(group: ModelInstanceGroup) -> list[int]:
    """The device of each instance of a group, 0 for those that are not on GPUs."""
    if group.kind == ModelInstanceGroup.KIND_GPU:
        return [*group.gpus] * group.count
    return [0] * group.count


def _resources(group: ModelInstanceGroup) -> tuple[tuple[str, int, bool], ...]:
    """Of a resource that is named twice the last counts, as for Triton."""
    resources = group.rate_limiter.resources
    counts = {
        (resource.name, getattr(resource, "global")): resource.count for resource in resources
    }
    return tuple((name, count, is_global) for (name, is_global), count in counts.items())
