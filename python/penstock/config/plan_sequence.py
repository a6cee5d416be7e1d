# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From a sequence model's configuration to the sequence batching of its plan (contract 2.7)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from penstock._proto.model_config_pb2 import (
    TYPE_BOOL,
    TYPE_FP32,
    TYPE_INT32,
    TYPE_INVALID,
    TYPE_STRING,
    ModelConfig,
    ModelInput,
    ModelOutput,
    ModelSequenceBatching,
)
from penstock._proto.model_config_pb2 import DataType as ConfigType
from penstock.errors import InvalidArgError
from penstock.types import NUMPY_DTYPES, DataType

_Control = ModelSequenceBatching.Control
_State = ModelSequenceBatching.State
_Initial = ModelSequenceBatching.InitialState

#: Where a model keeps the files of its initial states.
INITIAL_STATE_DIR: Final = "initial_state"
#: A wait of thirty years is as good as any longer one, and fits 64 bits in nanoseconds.
_MAX_US: Final = 10**15
_MAX_SLOTS: Final = 2**31 - 1
#: Larger states are a mistake of the configuration, and would be held once a sequence.
_MAX_STATE_BYTES: Final = 2**34


@dataclass(frozen=True)
class ControlData:
    """A control input: its kind as in model_config.proto, the bytes of its two values."""

    kind: int
    false_value: bytes = b""
    true_value: bytes = b""


@dataclass(frozen=True)
class StateData:
    """An implicit state. initial_dims: without batch dimension; hidden: no output of clients."""

    output: str
    initial_dims: tuple[int, ...]
    initial_data: bytes
    same_buffer: bool
    hidden: bool


@dataclass(frozen=True)
class SequenceData:
    """Argument of penstock._engine.ModelPlan; times in microseconds.

    The inputs of the controls, then of the states, in this order, are the plan's last inputs.
    """

    oldest: bool
    max_idle_us: int
    controls: tuple[ControlData, ...]
    states: tuple[StateData, ...]
    iterative: bool
    minimum_slot_utilization: float
    max_queue_delay_us: int
    max_candidate_sequences: int
    preferred_batch_sizes: tuple[int, ...]
    preserve_ordering: bool


def sequence_inputs(config: ModelConfig) -> list[ModelInput]:
    """The model's inputs that the sequence batcher gives: controls, then states."""
    batching = config.sequence_batching
    controls = [
        ModelInput(name=tensor.name, data_type=_control_type(control), dims=[1])
        for tensor in batching.control_input
        for control in tensor.control
    ]
    states = [
        ModelInput(name=state.input_name, data_type=state.data_type, dims=state.dims)
        for state in batching.state
    ]
    return controls + states


def hidden_outputs(config: ModelConfig) -> list[ModelOutput]:
    """The model's outputs that go into states and not to clients (C-21)."""
    listed = {output.name for output in config.output}
    return [
        ModelOutput(name=state.output_name, data_type=state.data_type, dims=state.dims)
        for state in config.sequence_batching.state
        if state.output_name not in listed
    ]


def make_sequence(config: ModelConfig, model_dir: Path) -> SequenceData | None:
    """The plan's sequence batching; None for a model without.

    Raises InvalidArgError for an initial state that cannot be read.
    """
    if not config.HasField("sequence_batching"):
        return None
    batching = config.sequence_batching
    hidden = {output.name for output in hidden_outputs(config)}
    is_oldest = batching.HasField("oldest")
    direct, oldest = batching.direct, batching.oldest
    strategy = oldest if is_oldest else direct
    return SequenceData(
        oldest=is_oldest,
        max_idle_us=min(batching.max_sequence_idle_microseconds, _MAX_US),
        controls=tuple(
            _control_data(control)
            for tensor in batching.control_input
            for control in tensor.control
        ),
        states=tuple(
            _state_data(config, state, model_dir, state.output_name in hidden)
            for state in batching.state
        ),
        iterative=batching.iterative_sequence,
        minimum_slot_utilization=direct.minimum_slot_utilization,
        max_queue_delay_us=min(strategy.max_queue_delay_microseconds, _MAX_US),
        max_candidate_sequences=max(0, min(oldest.max_candidate_sequences, _MAX_SLOTS)),
        preferred_batch_sizes=tuple(sorted(set(oldest.preferred_batch_size))),
        preserve_ordering=oldest.preserve_ordering,
    )


def _control_type(control: _Control) -> ConfigType:
    if control.kind == _Control.CONTROL_SEQUENCE_CORRID:
        return control.data_type
    if control.int32_false_true:
        return TYPE_INT32
    return TYPE_FP32 if control.fp32_false_true else TYPE_BOOL


def _control_data(control: _Control) -> ControlData:
    for letter, values in (
        ("i", control.int32_false_true),
        ("f", control.fp32_false_true),
        ("?", control.bool_false_true),
    ):
        if values:
            return ControlData(control.kind, *(struct.pack(f"<{letter}", v) for v in values))
    return ControlData(control.kind)


def _state_data(config: ModelConfig, state: _State, model_dir: Path, hidden: bool) -> StateData:
    """C-20. Without an initial state: zeros of the configured shape, 1 for what is open."""
    _check_types(config, state)
    initial = state.initial_state[0] if state.initial_state else None
    own = [1 if dim == -1 else dim for dim in state.dims]
    dims = tuple(own if initial is None else initial.dims)
    count = math.prod(dims)
    is_text = state.data_type == TYPE_STRING
    size = count * _element_size(DataType(state.data_type))
    if size > _MAX_STATE_BYTES:
        raise InvalidArgError(
            f"state input '{state.input_name}' of model '{config.name}' is larger than "
            f"{_MAX_STATE_BYTES} bytes"
        )
    data = bytes(size)
    if initial is not None and initial.WhichOneof("state_data") == "data_file":
        data = _read(config, initial, model_dir)
        if is_text:
            _check_strings(config, initial.data_file, data, count)
        elif len(data) < size:
            raise InvalidArgError(
                f"initial_state setting expects {size} bytes, but the data provided from "
                f"{initial.data_file}only has {len(data)} bytes."
            )
        else:
            data = data[:size]
    return StateData(
        output=state.output_name,
        initial_dims=dims,
        initial_data=data,
        same_buffer=state.use_same_buffer_for_input_output,
        hidden=hidden,
    )


def _check_types(config: ModelConfig, state: _State) -> None:
    if state.data_type == TYPE_INVALID:
        raise InvalidArgError(
            f"state input '{state.input_name}' of model '{config.name}' has no data type"
        )
    for output in config.output:
        if output.name == state.output_name and output.data_type != state.data_type:
            raise InvalidArgError(
                f"state output '{state.output_name}' of model '{config.name}' is an output of "
                f"another data type"
            )


def _element_size(data_type: DataType) -> int:
    if data_type is DataType.BYTES:
        return 4  # an empty string's length
    return 2 if data_type is DataType.BF16 else np.dtype(NUMPY_DTYPES[data_type]).itemsize


def _read(config: ModelConfig, initial: _Initial, model_dir: Path) -> bytes:
    folder = model_dir / INITIAL_STATE_DIR
    path = folder / initial.data_file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidArgError(
            f"initial state file '{initial.data_file}' of model '{config.name}' is outside "
            f"'{INITIAL_STATE_DIR}' of the model directory"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgError(
            f"unable to read initial state file '{initial.data_file}' of model '{config.name}': "
            f"{error.strerror}"
        ) from None


def _check_strings(config: ModelConfig, name: str, data: bytes, count: int) -> None:
    """`count` strings, each behind its length as four bytes."""
    position = found = 0
    while position + 4 <= len(data):
        position += 4 + int.from_bytes(data[position : position + 4], "little")
        found += 1
    if position != len(data) or found != count:
        raise InvalidArgError(
            f"initial state file '{name}' of model '{config.name}' must hold {count} strings, each "
            f"behind its length in four bytes"
        )
