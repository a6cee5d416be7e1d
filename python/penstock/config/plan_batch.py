# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From a configuration's batch inputs and outputs to those of its plan (contract 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from penstock._proto.model_config_pb2 import BatchInput, ModelConfig, ModelInput
from penstock.config.plan_sequence import sequence_inputs


@dataclass(frozen=True)
class BatchInputData:
    """How a batch input is made: its kind as in model_config.proto, and of which input."""

    kind: int
    source: str


@dataclass(frozen=True)
class BatchOutputData:
    """A flat output, and the input whose shapes it is cut by."""

    output: str
    source: str


@dataclass(frozen=True)
class BatchData:
    """Argument of penstock._engine.ModelPlan.

    The inputs, in this order, stand in the plan before those of its sequence batching.
    """

    inputs: tuple[BatchInputData, ...]
    outputs: tuple[BatchOutputData, ...]


def supplied_inputs(config: ModelConfig) -> list[ModelInput]:
    """The model's inputs that the server gives: batch inputs, then those of sequences (2.7)."""
    return batch_inputs(config) + sequence_inputs(config)


def batch_inputs(config: ModelConfig) -> list[ModelInput]:
    """One for each target. dims: all that the model sees, there is no batch dimension."""
    return [
        ModelInput(name=target, data_type=batch_input.data_type, dims=_dims(config, batch_input))
        for batch_input in config.batch_input
        for target in batch_input.target_name
    ]


def make_batch(config: ModelConfig) -> BatchData | None:
    """The plan's batch inputs and outputs; None for a model without."""
    if not config.batch_input and not config.batch_output:
        return None
    return BatchData(
        inputs=tuple(
            BatchInputData(batch_input.kind, batch_input.source_input[0])
            for batch_input in config.batch_input
            for _ in batch_input.target_name
        ),
        outputs=tuple(
            BatchOutputData(target, batch_output.source_input[0])
            for batch_output in config.batch_output
            for target in batch_output.target_name
        ),
    )


def _dims(config: ModelConfig, batch_input: BatchInput) -> list[int]:
    if batch_input.kind != BatchInput.BATCH_ITEM_SHAPE:
        return [-1]
    for tensor in config.input:
        if tensor.name in batch_input.source_input:
            shape = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
            return [-1, len(shape)]
    return [-1, -1]
