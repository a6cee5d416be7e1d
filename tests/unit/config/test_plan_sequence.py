# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Sequence batching of a plan, from configurations (contract 2.7, C-20, C-21)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from google.protobuf import text_format
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.plan import PlanSpec, make_plan_spec
from penstock.config.plan_sequence import ControlData, SequenceData, make_sequence
from penstock.errors import InvalidArgError
from penstock.types import DataType

BASE = """
name: "m" backend: "identity" max_batch_size: 4
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { count: 1 } ]
"""


def config(block: str) -> ModelConfig:
    return text_format.Parse(f"{BASE} sequence_batching {{ {block} }}", ModelConfig())


def plan(block: str, model_dir: Path = Path(".")) -> PlanSpec:
    return make_plan_spec(config(block), 1, model_dir)


def sequence(block: str, model_dir: Path = Path(".")) -> SequenceData:
    made = make_sequence(config(block), model_dir)
    assert made is not None
    return made


def state(more: str, data_type: str = "TYPE_FP32") -> str:
    return f'state [ {{ input_name: "S" output_name: "T" data_type: {data_type} {more} }} ]'


def file_state(dims: int, data_type: str = "TYPE_FP32") -> str:
    values = f"dims: [ {dims} ]"
    initial = f'{{ name: "f" data_type: {data_type} {values} data_file: "file" }}'
    return state(f"{values} initial_state [ {initial} ]", data_type)


def write(model_dir: Path, data: bytes) -> None:
    (model_dir / "initial_state").mkdir()
    (model_dir / "initial_state" / "file").write_bytes(data)


def test_models_without_sequences_have_none() -> None:
    assert make_sequence(text_format.Parse(BASE, ModelConfig()), Path(".")) is None


def test_direct_is_the_default() -> None:
    made = sequence("max_sequence_idle_microseconds: 7")
    assert (made.oldest, made.max_idle_us, made.iterative) == (False, 7, False)
    made = sequence("direct { max_queue_delay_microseconds: 5 minimum_slot_utilization: 0.5 }")
    assert (made.max_queue_delay_us, made.minimum_slot_utilization) == (5, 0.5)


def test_oldest() -> None:
    made = sequence(
        "iterative_sequence: true oldest { max_candidate_sequences: 9 preferred_batch_size: [4, 2]"
        " max_queue_delay_microseconds: 6 preserve_ordering: true }"
    )
    assert made.oldest and made.iterative and made.preserve_ordering
    assert (made.max_candidate_sequences, made.preferred_batch_sizes) == (9, (2, 4))
    assert made.max_queue_delay_us == 6


def test_controls_are_the_last_inputs_before_states() -> None:
    block = """
      control_input [
        { name: "A" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ -1, 2 ] } ] },
        { name: "B" control [ { kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0, 1.5 ] } ] },
        { name: "C" control [ { kind: CONTROL_SEQUENCE_END bool_false_true: [ true, false ] } ] },
        { name: "D" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } ] }
      ]
    """ + state("dims: [ 3, -1 ]")
    made = plan(block)
    assert [(spec.name, spec.data_type, spec.dims) for spec in made.inputs] == [
        ("IN", DataType.FP32, (1,)),
        ("A", DataType.INT32, (1,)),
        ("B", DataType.FP32, (1,)),
        ("C", DataType.BOOL, (1,)),
        ("D", DataType.BYTES, (1,)),
        ("S", DataType.FP32, (3, -1)),
    ]
    assert [spec.name for spec in made.outputs] == ["OUT", "T"]
    assert made.sequence is not None
    assert made.sequence.controls == (
        ControlData(0, struct.pack("<i", -1), struct.pack("<i", 2)),
        ControlData(1, struct.pack("<f", 0), struct.pack("<f", 1.5)),
        ControlData(2, b"\1", b"\0"),
        ControlData(3),
    )


def test_c_20_without_an_initial_state_there_are_zeros() -> None:
    (made,) = sequence(state("dims: [ 3, -1 ]")).states
    assert (made.initial_dims, made.initial_data, made.hidden) == ((3, 1), bytes(12), True)
    (text,) = sequence(state("dims: [ 2 ]", "TYPE_STRING")).states
    assert text.initial_data == bytes(8)  # two empty strings


def test_c_20_the_initial_shape_may_be_another() -> None:
    initial = 'initial_state [ { name: "z" data_type: TYPE_BF16 dims: [ 0, 5 ] zero_data: true } ]'
    (made,) = sequence(state(f"dims: [ -1, 5 ] {initial}", "TYPE_BF16")).states
    assert (made.initial_dims, made.initial_data) == ((0, 5), b"")


def test_c_20_from_a_file(tmp_path: Path) -> None:
    write(tmp_path, bytes(range(12)))
    (made,) = sequence(file_state(2), tmp_path).states
    assert made.initial_data == bytes(range(8))  # larger files are cut


def test_c_20_strings_from_a_file(tmp_path: Path) -> None:
    data = b"\1\0\0\0a\2\0\0\0bc"
    write(tmp_path, data)
    (made,) = sequence(file_state(2, "TYPE_STRING"), tmp_path).states
    assert made.initial_data == data
    for count in (1, 3):
        with pytest.raises(InvalidArgError, match=f"must hold {count} strings"):
            sequence(file_state(count, "TYPE_STRING"), tmp_path)


def test_c_21_a_listed_state_is_an_output() -> None:
    made = config(state("dims: [ 1 ]"))
    made.output.add(name="T", data_type="TYPE_FP32", dims=[1])
    spec = make_plan_spec(made, 1, Path("."))
    assert [output.name for output in spec.outputs] == ["OUT", "T"]
    assert spec.sequence is not None
    assert not spec.sequence.states[0].hidden
    made.output[1].data_type = DataType.INT32  # type: ignore[assignment]
    with pytest.raises(InvalidArgError, match="another data type"):
        make_plan_spec(made, 1, Path("."))
