# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Rules for sequence batching: strategy, control tensors, states (contract 2.7 and 12.5)."""

from __future__ import annotations

from collections.abc import Sequence

from penstock._proto.model_config_pb2 import (
    TYPE_INT32,
    TYPE_INT64,
    TYPE_INVALID,
    TYPE_STRING,
    TYPE_UINT32,
    TYPE_UINT64,
    ModelConfig,
    ModelInstanceGroup,
    ModelSequenceBatching,
)
from penstock.errors import InvalidArgError

_Control = ModelSequenceBatching.Control
_CORRID_TYPES = (TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32, TYPE_STRING)
_FALSE_TRUE = ("int32_false_true", "fp32_false_true", "bool_false_true")


def validate_sequence_batching(config: ModelConfig) -> None:
    """The whole sequence_batching block. Raises InvalidArgError."""
    batching = config.sequence_batching
    if batching.HasField("oldest"):
        _validate_preferred_sizes(batching.oldest.preferred_batch_size, config)
    elif batching.HasField("direct"):
        utilization = batching.direct.minimum_slot_utilization
        if not 0.0 <= utilization <= 1.0:
            raise InvalidArgError(
                "sequence batching minimum slot utilization must be in range (0.0, 1.0] for "
                f"{config.name}"
            )
    _validate_controls(batching, config.name)
    _validate_states(config)


def _validate_preferred_sizes(sizes: Sequence[int], config: ModelConfig) -> None:
    for size in sizes:
        if size <= 0:
            raise InvalidArgError(
                f"sequence batching preferred batch size must be positive for {config.name}"
            )
        if size > config.max_batch_size:
            raise InvalidArgError(
                f"sequence batching preferred batch size must be <= max batch size for "
                f"{config.name}"
            )


def _validate_controls(batching: ModelSequenceBatching, model: str) -> None:
    kinds: set[int] = set()
    for tensor in batching.control_input:
        if not tensor.name:
            raise InvalidArgError(f"sequence batching control tensor must have a name for {model}")
        if len(tensor.control) > 1:
            raise InvalidArgError(
                f"sequence batching control tensor '{tensor.name}' is specified for multiple "
                f"control kinds for {model}"
            )
        for control in tensor.control:
            kind = _Control.Kind.Name(control.kind)
            if control.kind in kinds:
                raise InvalidArgError(
                    f"sequence batching specifies multiple {kind} tensors for {model}"
                )
            kinds.add(control.kind)
            _validate_control(control, kind, model)


def _validate_control(control: ModelSequenceBatching.Control, kind: str, model: str) -> None:
    pairs = {name: getattr(control, name) for name in _FALSE_TRUE}
    given = {name: pair for name, pair in pairs.items() if pair}
    if control.kind == _Control.CONTROL_SEQUENCE_CORRID:
        _validate_correlation_id(control, bool(given), model)
        return
    if not given:
        raise InvalidArgError(
            "sequence batching must specify either 'int32_false_true', 'fp32_false_true' or "
            f"'bool_false_true' for {kind} for {model}"
        )
    if len(given) > 1:
        raise InvalidArgError(
            "sequence batching specifies more than one from 'int32_false_true', "
            f"'fp32_false_true' and 'bool_false_true' for {kind} for {model}"
        )
    for name, pair in given.items():
        if len(pair) != 2:
            raise InvalidArgError(
                f"sequence batching control '{name}' must have exactly 2 entries for {kind} for "
                f"{model}"
            )


def _validate_correlation_id(
    control: ModelSequenceBatching.Control, has_pair: bool, model: str
) -> None:
    if has_pair:
        raise InvalidArgError(
            "sequence batching must not specify either 'int32_false_true', 'fp32_false_true' or "
            f"'bool_false_true' for CONTROL_SEQUENCE_CORRID for {model}"
        )
    if control.data_type not in _CORRID_TYPES:
        raise InvalidArgError(
            f"unexpected data type for control CONTROL_SEQUENCE_CORRID for {model}. Allowed data "
            "types are TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING"
        )


def _validate_states(config: ModelConfig) -> None:
    seen: set[str] = set()
    for state in config.sequence_batching.state:
        name = state.input_name
        if name in seen:
            raise InvalidArgError(f"State input name '{name}' specified more than once.")
        seen.add(name)
        if len(state.initial_state) > 1:
            raise InvalidArgError(
                f"initial_state field for state input '{name}' must contain exactly one or zero "
                f"element. Found '{len(state.initial_state)}' elements."
            )
        for initial in state.initial_state:
            _validate_initial_state(state, initial)
        if state.use_growable_memory:
            _validate_growable(state, config)


def _validate_initial_state(
    state: ModelSequenceBatching.State, initial: ModelSequenceBatching.InitialState
) -> None:
    name = state.input_name
    if initial.data_type != state.data_type or state.data_type == TYPE_INVALID:
        raise InvalidArgError(
            f"The data type used for 'initial_state' field of state '{name}' does not match the "
            "state data type."
        )
    if not initial.name:
        raise InvalidArgError(
            f"Field 'name' must be set when using initial_state for state input '{name}'."
        )
    if len(initial.dims) != len(state.dims):
        raise InvalidArgError(
            "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions "
            f"for state input '{name}'. {len(initial.dims)} != {len(state.dims)}"
        )
    for own, expected in zip(initial.dims, state.dims, strict=True):
        if own == -1:
            raise InvalidArgError(
                f"'initial_state' field for state input name '{name}' contains variable dimensions."
            )
        if expected not in (-1, own):
            raise InvalidArgError(
                f"'initial_state' dim for input name '{name}' doesn't match 'state' dim "
                f"description. {own} != {expected}"
            )
    if initial.WhichOneof("state_data") is None:
        raise InvalidArgError(f"initial_state setting expects state'{name}' to have state_data set")


def _validate_growable(state: ModelSequenceBatching.State, config: ModelConfig) -> None:
    if not state.use_same_buffer_for_input_output:
        raise InvalidArgError(
            "In order to 'use_growable_memory', you must also enable 'use_single_buffer' for "
            f"state input name '{state.input_name}'."
        )
    groups = config.instance_group
    if not groups or any(group.kind != ModelInstanceGroup.KIND_GPU for group in groups):
        raise InvalidArgError(
            "'use_growable_memory' can only work with KIND_GPU model instances right now."
        )
