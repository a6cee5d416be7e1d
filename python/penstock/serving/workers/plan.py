# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The plan of a model as its worker process has it."""

from __future__ import annotations

import dataclasses

from penstock._engine import ModelPlan
from penstock.backends.interface import AnswersAsGiven, Backend, ModelContext
from penstock.config.plan import PlanSpec, TensorSpecData, make_plan_spec
from penstock.serving.model_plan import make_plan


def make_worker_plan(backend: Backend, context: ModelContext) -> ModelPlan:
    """Batches come formed, in the back end's shapes, with controls and states among their inputs;
    they go back with the next states among their outputs. Raises ServerError."""
    spec = make_plan_spec(context.config, context.version, context.model_dir)
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
            outputs_as_given=isinstance(backend, AnswersAsGiven) and backend.answers_as_given(),
            sequence=sequence,
            batch=spec.batch,
        )
    )


def _reshaped(spec: TensorSpecData) -> TensorSpecData:
    dims = spec.dims if spec.reshape is None else spec.reshape
    return dataclasses.replace(spec, dims=dims, reshape=None, labels=())
