# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Says what is wrong with `model_warmup` (contract 2.10), in the contract's words."""

from __future__ import annotations

from pathlib import PurePosixPath

from penstock._proto.model_config_pb2 import ModelConfig, ModelWarmup
from penstock.errors import InvalidArgError


def validate_warm_up(config: ModelConfig) -> None:
    """Raises InvalidArgError for the first sample that cannot be made."""
    for sample in config.model_warmup:
        for name in sorted(sample.inputs):
            _validate_input(config, name, sample.inputs[name])


def _validate_input(config: ModelConfig, name: str, data: ModelWarmup.Input) -> None:
    if any(dim < 0 for dim in data.dims):
        raise InvalidArgError(
            f"warmup setting expects all variable-size dimensions are specified for input '{name}'"
        )
    if data.WhichOneof("input_data_type") is None:
        raise InvalidArgError(f"warmup setting expects input '{name}' to have input_data_type set")
    path = PurePosixPath(data.input_data_file)
    if path.is_absolute() or ".." in path.parts or "\0" in data.input_data_file:
        raise InvalidArgError(
            f"'input_data_file' must be a path inside the warmup directory for {config.name}, got "
            f"'{data.input_data_file}'"
        )
