# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Makes the engine's plans of what a configuration says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from penstock._engine import ModelPlan, TensorSpec
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.plan import PlanSpec, TensorSpecData, make_plan_spec
from penstock.errors import InternalError, ServerError


def make_plan(spec: PlanSpec) -> ModelPlan:
    """Raises ServerError for what cannot be served."""
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
            decoupled=spec.decoupled,
            cached=spec.cached,
            warm_up=spec.warm_up,
            ensemble=spec.ensemble,
            sequence=spec.sequence,
        )
    except ServerError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise InternalError(f"unable to plan model '{spec.name}': {error}") from error


def make_worker_plan(config: ModelConfig, version: int, model_dir: Path) -> ModelPlan:
    """The plan of a model as its worker process has it.

    Batches come formed, in the back end's shapes, with controls and states among their inputs; they
    go back with the next states among their outputs.
    """
    spec = make_plan_spec(config, version, model_dir)
    sequence = spec.sequence
    if sequence is not None:
        sequence = dataclasses.replace(sequence, controls=(), states=())
    return make_plan(
        PlanSpec(
            name=spec.name,
            version=spec.version,
            max_batch_size=spec.max_batch_size,
            inputs=tuple(_reshaped(tensor) for tensor in spec.inputs),
            outputs=tuple(_reshaped(tensor) for tensor in spec.outputs),
            decoupled=spec.decoupled,
            sequence=sequence,
        )
    )


def _reshaped(spec: TensorSpecData) -> TensorSpecData:
    dims = spec.dims if spec.reshape is None else spec.reshape
    return dataclasses.replace(spec, dims=dims, reshape=None, labels=())


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
