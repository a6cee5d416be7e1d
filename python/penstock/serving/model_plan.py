# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From what a configuration says of a version to the plan that the engine takes."""

from __future__ import annotations

from penstock._engine import ModelPlan, TensorSpec
from penstock.config.plan import PlanSpec, TensorSpecData
from penstock.errors import InternalError, ServerError


def make_plan(spec: PlanSpec) -> ModelPlan:
    """Raises InternalError for a plan that the engine does not take."""
    try:
        return ModelPlan(
            name=spec.name,
            version=spec.version,
            max_batch_size=spec.max_batch_size,
            inputs=[_make_tensor_spec(tensor) for tensor in spec.inputs],
            outputs=[_make_tensor_spec(tensor) for tensor in spec.outputs],
            dynamic_batching=spec.dynamic_batching,
            preferred_batch_sizes=spec.preferred_batch_sizes,
            max_queue_delay_us=spec.max_queue_delay_us,
            preserve_ordering=spec.preserve_ordering,
            queue_policy=spec.queue_policy,
            default_priority_level=spec.default_priority_level,
            level_policies=spec.level_policies,
            queue_capacity=spec.queue_capacity,
            instance_count=spec.instance_count,
            instance_limits=spec.instance_limits,
            instance_devices=spec.instance_devices,
            decoupled=spec.decoupled,
            outputs_as_given=spec.outputs_as_given,
            cached=spec.cached,
            warm_up=spec.warm_up,
            first_response_bounds_ms=spec.first_response_bounds_ms,
            summary_error=spec.summary_error,
            ensemble=spec.ensemble,
            sequence=spec.sequence,
            batch=spec.batch,
        )
    except ServerError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise InternalError(f"unable to plan model '{spec.name}': {error}") from error


def _make_tensor_spec(spec: TensorSpecData) -> TensorSpec:
    return TensorSpec(
        spec.name,
        spec.data_type,
        spec.dims,
        reshape=spec.reshape,
        optional=spec.optional,
        allow_ragged_batch=spec.allow_ragged_batch,
        is_shape_tensor=spec.is_shape_tensor,
        labels=spec.labels,
    )
