# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From a final model configuration to the arguments of the engine's ModelPlan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from penstock._proto.model_config_pb2 import (
    ModelConfig,
    ModelInput,
    ModelInstanceGroup,
    ModelOutput,
    ModelQueuePolicy,
)
from penstock.config.labels import read_labels
from penstock.config.metrics_settings import (
    DEFAULT_METRICS,
    FIRST_RESPONSE_HISTOGRAM,
    MetricsSettings,
)
from penstock.config.plan_batch import BatchData, make_batch, supplied_inputs
from penstock.config.plan_ensemble import EnsembleData
from penstock.config.plan_limits import InstanceLimitData, group_devices, make_limits
from penstock.config.plan_sequence import SequenceData, hidden_outputs, make_sequence
from penstock.errors import UnsupportedError

#: About thirty years: longer waits are the same, and in nanoseconds this still fits 64 bits.
_MAX_US = 10**15

#: As DynamicBatching::kMaxPriorityLevels in csrc/include/penstock/plan.h.
MAX_PRIORITY_LEVELS: Final = 1024


@dataclass(frozen=True)
class TensorSpecData:
    """Arguments of penstock._engine.TensorSpec, by name. data_type: penstock.types.DataType."""

    name: str
    data_type: int
    dims: tuple[int, ...]
    reshape: tuple[int, ...] | None = None
    optional: bool = False
    allow_ragged_batch: bool = False
    is_shape_tensor: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueuePolicyData:
    """Queue policy of a model or of a priority level (contract S-7); times in microseconds."""

    timeout_delay: bool = False
    default_timeout_us: int = 0
    allow_timeout_override: bool = False
    max_queue_size: int = 0


@dataclass(frozen=True)
class PlanSpec:
    """Arguments of penstock._engine.ModelPlan, by name; times in microseconds."""

    name: str
    version: int
    max_batch_size: int
    inputs: tuple[TensorSpecData, ...]
    outputs: tuple[TensorSpecData, ...]
    dynamic_batching: bool = False
    preferred_batch_sizes: tuple[int, ...] = ()
    max_queue_delay_us: int = 0
    preserve_ordering: bool = False
    queue_policy: QueuePolicyData = QueuePolicyData()
    default_priority_level: int = 0
    #: one a priority level, the most urgent first; none: all requests are equal
    level_policies: tuple[QueuePolicyData, ...] = ()
    queue_capacity: int = 4096
    instance_count: int = 1
    #: one an instance, or none
    instance_limits: tuple[InstanceLimitData, ...] = ()
    #: one an instance, or none: the GPU in whose memory its tensors are, -1: the host's
    instance_devices: tuple[int, ...] = ()
    decoupled: bool = False
    #: contract 5.1: outputs go out with the type and shape that the model gave them
    outputs_as_given: bool = False
    #: 4.6, when the server has a response cache
    cached: bool = False
    #: 2.10: samples are run before the version is served
    warm_up: bool = False
    #: M-12, upper bounds in ms; empty: there is no such histogram
    first_response_bounds_ms: tuple[float, ...] = ()
    #: M-13, M-14, M-17; 0: there are no summaries
    summary_error: float = 0.0
    ensemble: EnsembleData | None = None
    sequence: SequenceData | None = None
    batch: BatchData | None = None


@dataclass(frozen=True)
class InstanceData:
    """One instance of an instance group: arguments of backends.interface.InstanceSpec."""

    name: str
    index: int
    kind: str = "CPU"
    device_id: int = 0
    host_policy: str = "cpu"
    passive: bool = False
    profiles: tuple[str, ...] = ()
    dla_core: int | None = None


def make_plan_spec(
    config: ModelConfig,
    version: int,
    model_dir: Path,
    *,
    queue_capacity: int = 4096,
    metrics: MetricsSettings = DEFAULT_METRICS,
    ensemble: EnsembleData | None = None,
    labels: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> PlanSpec:
    """The plan of one version from its normalised, validated configuration.

    `metrics`: what the server keeps beside its counters. `ensemble`: the steps, when it is one.
    `labels`: by name, of outputs without a file of their own.

    Raises UnsupportedError for what the server cannot run, InvalidArgError for bad label files and
    initial states.
    """
    check_supported(config)
    batching = config.dynamic_batching
    return PlanSpec(
        name=config.name,
        version=version,
        max_batch_size=config.max_batch_size,
        inputs=tuple(_input_spec(tensor) for tensor in [*config.input, *supplied_inputs(config)]),
        outputs=tuple(
            _output_spec(tensor, config, model_dir, labels)
            for tensor in [*config.output, *hidden_outputs(config)]
        ),
        dynamic_batching=config.HasField("dynamic_batching"),
        preferred_batch_sizes=tuple(sorted(set(batching.preferred_batch_size))),
        max_queue_delay_us=min(batching.max_queue_delay_microseconds, _MAX_US),
        preserve_ordering=batching.preserve_ordering,
        queue_policy=_queue_policy(batching.default_queue_policy),
        default_priority_level=batching.default_priority_level if batching.priority_levels else 0,
        level_policies=_level_policies(config),
        queue_capacity=queue_capacity,
        instance_count=1 if ensemble is not None else _active_count(config),
        instance_limits=make_limits(config),
        decoupled=config.model_transaction_policy.decoupled,
        outputs_as_given=ensemble is not None,  # its steps have checked what is to be checked
        cached=config.response_cache.enable,
        warm_up=any(sample.batch_size for sample in config.model_warmup),
        first_response_bounds_ms=_first_response_bounds(config, metrics),
        summary_error=metrics.summary_error,
        ensemble=ensemble,
        sequence=make_sequence(config, model_dir),
        batch=make_batch(config),
    )


def _first_response_bounds(config: ModelConfig, metrics: MetricsSettings) -> tuple[float, ...]:
    """M-12: Triton's buckets, or those of the configuration."""
    if not metrics.histogram_latencies:
        return ()
    for control in config.model_metrics.metric_control:
        if control.metric_identifier.family == FIRST_RESPONSE_HISTOGRAM:
            return tuple(control.histogram_options.buckets)
    return (100.0, 500.0, 2000.0, 5000.0)


def make_instances(config: ModelConfig) -> list[InstanceData]:
    """All instances, in order, with their names, devices and policies (C-11, C-12, C-14, C-15).

    Those that take requests are numbered from 0; passive ones have the index -1.
    """
    instances: list[InstanceData] = []
    active = 0
    for group in config.instance_group:
        kind = ModelInstanceGroup.Kind.Name(group.kind).removeprefix("KIND_")
        for number, device in enumerate(group_devices(group)):
            instances.append(
                InstanceData(
                    name=f"{group.name}_{number}",
                    index=-1 if group.passive else active,
                    kind=kind,
                    device_id=device,
                    host_policy=group.host_policy or _default_policy(kind, device),
                    passive=group.passive,
                    profiles=tuple(group.profile),
                    dla_core=next((one.device_id for one in group.secondary_devices), None),
                )
            )
            active += not group.passive
    return instances


def _active_count(config: ModelConfig) -> int:
    return sum(not instance.passive for instance in make_instances(config))


def _default_policy(kind: str, device: int) -> str:
    """cpu, gpu_<id> or model (C-14)."""
    return f"gpu_{device}" if kind == "GPU" else kind.lower()


def check_supported(config: ModelConfig) -> None:
    """Refuse what would be served wrongly: raises UnsupportedError naming the field."""
    if config.model_repository_agents.agents:
        raise UnsupportedError(
            f"model '{config.name}' cannot be served: 'model_repository_agents' is not supported"
        )


def _level_policies(config: ModelConfig) -> tuple[QueuePolicyData, ...]:
    batching = config.dynamic_batching
    if batching.priority_levels > MAX_PRIORITY_LEVELS:
        raise UnsupportedError(
            f"model '{config.name}' cannot be served: 'dynamic_batching.priority_levels' is "
            f"{batching.priority_levels}, at most {MAX_PRIORITY_LEVELS} are supported"
        )
    return tuple(
        _queue_policy(batching.priority_queue_policy.get(level, batching.default_queue_policy))
        for level in range(1, batching.priority_levels + 1)
    )


def _queue_policy(policy: ModelQueuePolicy) -> QueuePolicyData:
    return QueuePolicyData(
        timeout_delay=policy.timeout_action == ModelQueuePolicy.DELAY,
        default_timeout_us=min(policy.default_timeout_microseconds, _MAX_US),
        allow_timeout_override=policy.allow_timeout_override,
        max_queue_size=policy.max_queue_size,
    )


def _input_spec(tensor: ModelInput) -> TensorSpecData:
    return TensorSpecData(
        name=tensor.name,
        data_type=tensor.data_type,
        dims=tuple(tensor.dims),
        reshape=_reshape(tensor),
        optional=tensor.optional,
        allow_ragged_batch=tensor.allow_ragged_batch,
        is_shape_tensor=tensor.is_shape_tensor,
    )


def _output_spec(
    tensor: ModelOutput, config: ModelConfig, model_dir: Path, labels: Mapping[str, tuple[str, ...]]
) -> TensorSpecData:
    return TensorSpecData(
        name=tensor.name,
        data_type=tensor.data_type,
        dims=tuple(tensor.dims),
        reshape=_reshape(tensor),
        is_shape_tensor=tensor.is_shape_tensor,
        labels=read_labels(config.name, tensor, model_dir) or labels.get(tensor.name, ()),
    )


def _reshape(tensor: ModelInput | ModelOutput) -> tuple[int, ...] | None:
    return tuple(tensor.reshape.shape) if tensor.HasField("reshape") else None
