# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Batch inputs and outputs of a plan (contract 2.4, C-4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock.config.model_config import parse_pbtxt
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.config.plan import PlanSpec, make_plan_spec
from penstock.config.plan_batch import BatchInputData, BatchOutputData
from penstock.types import DataType

IO = """
name: "m" backend: "onnxruntime" max_batch_size: 8
input { name: "X" data_type: TYPE_FP32 dims: [-1, 4] reshape { shape: [-1, 2, 2] } }
output { name: "Y" data_type: TYPE_FP32 dims: [-1] }
output { name: "Z" data_type: TYPE_FP32 dims: [-1] }
"""


def plan(text: str) -> PlanSpec:
    config = parse_pbtxt(IO + text, "config.pbtxt").config
    normalise(config)
    normalise_instance_groups(config)
    return make_plan_spec(config, 1, Path("."))


def test_models_without() -> None:
    spec = plan("")
    assert spec.batch is None
    assert [tensor.name for tensor in spec.inputs] == ["X"]


@pytest.mark.parametrize(
    ("kind", "number", "dims"),
    [
        ("BATCH_ELEMENT_COUNT", 0, (-1,)),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT", 1, (-1,)),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", 2, (-1,)),
        ("BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", 3, (-1,)),
        ("BATCH_ITEM_SHAPE", 4, (-1, 3)),
        ("BATCH_ITEM_SHAPE_FLATTEN", 5, (-1,)),
    ],
)
def test_every_kind(kind: str, number: int, dims: tuple[int, ...]) -> None:
    spec = plan(
        f"batch_input {{ kind: {kind} target_name: 'T' data_type: TYPE_INT32 source_input: 'X' }}"
    )
    made = spec.inputs[1]
    assert (made.name, made.data_type, made.dims) == ("T", DataType.INT32, dims)
    assert not made.allow_ragged_batch and not made.optional
    assert spec.batch is not None
    assert spec.batch.inputs == (BatchInputData(number, "X"),)


def test_several_targets() -> None:
    spec = plan(
        "batch_input { target_name: ['A', 'B'] data_type: TYPE_FP32 source_input: 'X' }"
        "batch_output { target_name: ['Y', 'Z'] source_input: 'X' }"
    )
    assert [tensor.name for tensor in spec.inputs] == ["X", "A", "B"]
    assert spec.batch is not None
    assert spec.batch.inputs == (BatchInputData(0, "X"),) * 2
    assert spec.batch.outputs == (BatchOutputData("Y", "X"), BatchOutputData("Z", "X"))


def test_they_stand_before_the_inputs_of_a_sequence() -> None:
    spec = plan(
        "sequence_batching { control_input { name: 'START' control { "
        "kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } } }"
        "batch_input { target_name: 'T' data_type: TYPE_FP32 source_input: 'X' }"
    )
    assert [tensor.name for tensor in spec.inputs] == ["X", "T", "START"]
