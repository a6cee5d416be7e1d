# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Rules of sequence batching (2.7) and ensembles (2.9) that need only the configuration itself."""

from __future__ import annotations

import pytest
from penstock.config.model_config import parse_pbtxt
from penstock.config.normalise import normalise
from penstock.config.validation import validate_config
from penstock.errors import InvalidArgError

START = "CONTROL_SEQUENCE_START"
PAIRS = "'int32_false_true', 'fp32_false_true'"


def validate(text: str) -> None:
    config = parse_pbtxt(text, "config.pbtxt").config
    normalise(config)
    validate_config(config)


def failure(text: str) -> str:
    with pytest.raises(InvalidArgError) as caught:
        validate(text)
    return caught.value.message


def sequence(text: str) -> str:
    return f'name: "m" backend: "b" max_batch_size: 4 sequence_batching {{ {text} }}'


def control(text: str) -> str:
    return f'control_input {{ name: "c" control {{ {text} }} }}'


def state(text: str = "", initial: str = "") -> str:
    block = f"initial_state {{ {initial} }}" if initial else ""
    return f'state {{ input_name: "i" data_type: TYPE_FP32 dims: [-1, 2] {text} {block} }}'


SEQUENCES = [
    (
        "oldest { preferred_batch_size: 0 }",
        "sequence batching preferred batch size must be positive for m",
    ),
    (
        "oldest { preferred_batch_size: 5 }",
        "sequence batching preferred batch size must be <= max batch size for m",
    ),
    (
        "direct { minimum_slot_utilization: 1.5 }",
        "sequence batching minimum slot utilization must be in range (0.0, 1.0] for m",
    ),
    ("control_input {}", "sequence batching control tensor must have a name for m"),
    (
        control("int32_false_true: [0, 1]") + control("int32_false_true: [0, 1]"),
        f"sequence batching specifies multiple {START} tensors for m",
    ),
    (
        'control_input { name: "c" control { } control { kind: CONTROL_SEQUENCE_END } }',
        "sequence batching control tensor 'c' is specified for multiple control kinds for m",
    ),
    (
        control(""),
        f"sequence batching must specify either {PAIRS} or 'bool_false_true' for {START} for m",
    ),
    (
        control("int32_false_true: [0, 1] bool_false_true: [false, true]"),
        f"sequence batching specifies more than one from {PAIRS} and 'bool_false_true' for "
        f"{START} for m",
    ),
    (
        control("fp32_false_true: [0, 1, 2]"),
        f"sequence batching control 'fp32_false_true' must have exactly 2 entries for {START} "
        "for m",
    ),
    (
        control("kind: CONTROL_SEQUENCE_CORRID int32_false_true: [0, 1]"),
        f"sequence batching must not specify either {PAIRS} or 'bool_false_true' for "
        "CONTROL_SEQUENCE_CORRID for m",
    ),
    (
        control("kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_FP32"),
        "unexpected data type for control CONTROL_SEQUENCE_CORRID for m. Allowed data types are "
        "TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING",
    ),
    (state() + state(), "State input name 'i' specified more than once."),
    (
        state("initial_state {} initial_state {}"),
        "initial_state field for state input 'i' must contain exactly one or zero element. Found "
        "'2' elements.",
    ),
    (
        state(initial="data_type: TYPE_INT32"),
        "The data type used for 'initial_state' field of state 'i' does not match the state data "
        "type.",
    ),
    (
        state(initial="data_type: TYPE_FP32"),
        "Field 'name' must be set when using initial_state for state input 'i'.",
    ),
    (
        state(initial='data_type: TYPE_FP32 name: "s" dims: 1'),
        "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for "
        "state input 'i'. 1 != 2",
    ),
    (
        state(initial='data_type: TYPE_FP32 name: "s" dims: [-1, 2]'),
        "'initial_state' field for state input name 'i' contains variable dimensions.",
    ),
    (
        state(initial='data_type: TYPE_FP32 name: "s" dims: [1, 3]'),
        "'initial_state' dim for input name 'i' doesn't match 'state' dim description. 3 != 2",
    ),
    (
        state(initial='data_type: TYPE_FP32 name: "s" dims: [1, 2]'),
        "initial_state setting expects state'i' to have state_data set",
    ),
    (
        state("use_growable_memory: true"),
        "In order to 'use_growable_memory', you must also enable 'use_single_buffer' for state "
        "input name 'i'.",
    ),
    (
        state("use_growable_memory: true use_same_buffer_for_input_output: true"),
        "'use_growable_memory' can only work with KIND_GPU model instances right now.",
    ),
]


@pytest.mark.parametrize(("text", "message"), SEQUENCES)
def test_sequence_errors(text: str, message: str) -> None:
    assert failure(sequence(text)) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "oldest { max_candidate_sequences: 4 }",
        "direct { minimum_slot_utilization: 0.5 }",
        control("fp32_false_true: [0, 1]"),
        control("kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING"),
        state(initial='data_type: TYPE_FP32 name: "s" dims: [1, 2] zero_data: true'),
    ],
)
def test_good_sequences(text: str) -> None:
    validate(sequence(text))


# ---------------------------------------------------------------- ensembles

INPUT = 'input { name: "IN" data_type: TYPE_FP32 dims: 1 }'
OUTPUT = 'output { name: "OUT" data_type: TYPE_FP32 dims: 1 }'


def step(source: str, target: str, model: str = "a") -> str:
    return (
        f'step {{ model_name: "{model}" model_version: -1 '
        f'input_map {{ key: "x" value: "{source}" }} '
        f'output_map {{ key: "y" value: "{target}" }} }}'
    )


def ensemble(steps: str, extra: str = "") -> str:
    return (
        f'name: "e" platform: "ensemble" {INPUT} {OUTPUT} {extra} ensemble_scheduling {{ {steps} }}'
    )


ENSEMBLES = [
    (
        'name: "e" backend: "python" ensemble_scheduling {}',
        "ensemble scheduling cannot be set for model 'e' whose platform is not ensemble",
    ),
    (
        'name: "e" platform: "ensemble"',
        "ensemble scheduling must be set for ensemble e whose platform is ensemble",
    ),
    (
        'name: "e" platform: "ensemble" backend: "python" ensemble_scheduling {}',
        "Ensemble model 'e' must have platform type 'ensemble' and empty backend type",
    ),
    (ensemble(""), "must specify 'step' for ensemble 'e'"),
    (
        ensemble("", "instance_group {}"),
        "instance group should not be specified for ensemble 'e'",
    ),
    (ensemble("", "optimization {}"), "optimization should not be specified for ensemble 'e'"),
    (ensemble("", "model_warmup {}"), "model_warmup can not be specified for ensemble 'e'"),
    (ensemble("step {}"), "must specify 'model_name' in step 0 of ensemble 'e'"),
    (
        ensemble(step("IN", "t") + 'step { model_name: "b" }'),
        "must specify 'input_map' in step 1 of ensemble 'e'",
    ),
    (
        ensemble('step { model_name: "b" input_map { key: "x" value: "IN" } }'),
        "must specify 'output_map' in step 0 of ensemble 'e'",
    ),
    (
        ensemble(step("IN", "OUT") + step("IN", "OUT")),
        "ensemble tensor 'OUT' can appear in an output map only once for ensemble 'e' step 1",
    ),
    (ensemble(step("t", "OUT")), "ensemble input 'IN' for ensemble e' is not used"),
    (ensemble(step("IN", "t")), "ensemble output 'OUT' for ensemble e' is not used"),
    (
        ensemble(step("IN", "OUT") + step("IN", "t")),
        "ensemble tensor 't' is unused in ensemble 'e'",
    ),
    (
        ensemble(step("IN", "OUT2") + step("t", "OUT"), 'output { name: "OUT2" }'),
        "output 'OUT' for ensemble 'e' is not written: at least one of its depending tensors, 't', "
        "is not connected",
    ),
]


@pytest.mark.parametrize(("text", "message"), ENSEMBLES)
def test_ensemble_errors(text: str, message: str) -> None:
    assert failure(text) == message


def test_good_ensembles() -> None:
    validate(ensemble(step("IN", "OUT")))
    validate(ensemble(step("t", "OUT", "b") + step("IN", "t")))  # the order does not matter
