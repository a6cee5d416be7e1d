# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Rules for inputs and outputs, their reshapes, and batch inputs and outputs (2.3, 2.4, 12.5)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from penstock._proto.model_config_pb2 import (
    TYPE_FP32,
    TYPE_INT32,
    TYPE_INVALID,
    BatchInput,
    BatchOutput,
    ModelConfig,
    ModelInput,
    ModelOutput,
)
from penstock.errors import InvalidArgError

_TENSORRT = "tensorrt"
_MAX_ELEMENTS = 2**63 - 1


def validate_io(config: ModelConfig) -> None:
    """All inputs and outputs of a completed configuration. Raises InvalidArgError."""
    for tensor in config.input:
        validate_input(tensor, config)
    for output in config.output:
        validate_output(output, config)
    _validate_unique("input", [tensor.name for tensor in config.input], config)
    _validate_unique("output", [tensor.name for tensor in config.output], config)
    _validate_batch_io(config)


def validate_input(tensor: ModelInput, config: ModelConfig) -> None:
    """One input (C-1, C-2, C-5)."""
    _validate_tensor(tensor, config, "model input ")
    if tensor.format != ModelInput.FORMAT_NONE and len(tensor.dims) != 3:
        raise InvalidArgError("model input NHWC/NCHW require 3 dims")


def validate_output(tensor: ModelOutput, config: ModelConfig) -> None:
    """One output (C-1, C-2, C-5)."""
    _validate_tensor(tensor, config, "model output ")


def validate_allowed(
    config: ModelConfig, inputs: Collection[str], outputs: Collection[str]
) -> None:
    """Every input and output of the configuration is one of the model's own (12.5)."""
    for kind, tensors, allowed in (
        ("input", [tensor.name for tensor in config.input], inputs),
        ("output", [tensor.name for tensor in config.output], outputs),
    ):
        for name in tensors:
            if name not in allowed:
                raise InvalidArgError(
                    f"unexpected inference {kind} '{name}', allowed {kind}s are: "
                    f"{', '.join(sorted(allowed))}"
                )


def _validate_tensor(tensor: ModelInput | ModelOutput, config: ModelConfig, prefix: str) -> None:
    if not tensor.name:
        raise InvalidArgError(f"{prefix}must specify 'name'")
    prefix = f"{prefix}'{tensor.name}' "
    if tensor.data_type == TYPE_INVALID:
        raise InvalidArgError(f"{prefix}must specify 'data_type'")
    if not tensor.dims:
        raise InvalidArgError(f"{prefix}must specify 'dims'")
    _validate_dims(tensor.dims, prefix, "dimension")
    if tensor.HasField("reshape"):
        _validate_reshape(tensor, config, prefix)
    if config.backend != _TENSORRT:
        if tensor.is_shape_tensor:
            raise InvalidArgError(f"{prefix}shape tensors are only supported for TensorRT platform")
        if tensor.is_non_linear_format_io:
            raise InvalidArgError(
                f"{prefix}Non-linear IO format is only supported for the TensorRT platform"
            )
    elif tensor.is_non_linear_format_io and len(tensor.dims) != 3:
        raise InvalidArgError(f"Non-linear IO format {tensor.name} requires 3 dims")


def _validate_dims(dims: Sequence[int], prefix: str, noun: str) -> None:
    if any(dim < 1 and dim != -1 for dim in dims):
        raise InvalidArgError(
            f"{prefix}{noun} must be integer >= 1, or -1 to indicate a variable-size dimension"
        )
    if math.prod(dim for dim in dims if dim > 0) > _MAX_ELEMENTS:
        raise InvalidArgError(
            f"{prefix}total element count exceeds maximum size of {_MAX_ELEMENTS}"
        )


def _validate_reshape(tensor: ModelInput | ModelOutput, config: ModelConfig, prefix: str) -> None:
    dims, shape = list(tensor.dims), list(tensor.reshape.shape)
    if not shape and config.max_batch_size == 0:
        raise InvalidArgError(
            f"{prefix}cannot have empty reshape for non-batching model as scalar tensors are not "
            "supported"
        )
    _validate_dims(shape, prefix, "reshape dimensions")
    if dims.count(-1) != shape.count(-1):
        raise InvalidArgError(
            f"{prefix}has different number of variable-size dimensions for dims and reshape"
        )
    if _fixed_products(dims) != _fixed_products(shape):
        raise InvalidArgError(f"{prefix}has different size for dims and reshape")


def _fixed_products(dims: Sequence[int]) -> list[int]:
    """Element counts between one variable-size dimension and the next: they must agree (C-2)."""
    products = [1]
    for dim in dims:
        if dim == -1:
            products.append(1)
        else:
            products[-1] *= dim
    return products


def _validate_unique(kind: str, names: Sequence[str], config: ModelConfig) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidArgError(
                f"model {kind} '{name}' is specified more than once for {config.name}"
            )
        seen.add(name)


def _validate_batch_io(config: ModelConfig) -> None:
    inputs = {tensor.name for tensor in config.input}
    for batch_input in config.batch_input:
        kind = _kind_name("input", BatchInput.Kind.items(), batch_input.kind)
        if len(batch_input.source_input) != 1:
            raise InvalidArgError(
                f"batch input kind '{kind}' expects 1 source input, got "
                f"{len(batch_input.source_input)}"
            )
        if batch_input.data_type not in (TYPE_INT32, TYPE_FP32):
            raise InvalidArgError("batch input data type must be TYPE_INT32 or TYPE_FP32")
        _require_source(batch_input.source_input[0], inputs)
    _validate_batch_outputs(config, inputs)


def _validate_batch_outputs(config: ModelConfig, inputs: Collection[str]) -> None:
    outputs = {tensor.name for tensor in config.output}
    targets: set[str] = set()
    for batch_output in config.batch_output:
        kind = _kind_name("output", BatchOutput.Kind.items(), batch_output.kind)
        if len(batch_output.source_input) != 1:
            raise InvalidArgError(
                f"batch output kind '{kind}' expects 1 source input, got "
                f"{len(batch_output.source_input)}"
            )
        _require_source(batch_output.source_input[0], inputs)
        for target in batch_output.target_name:
            if target not in outputs:
                raise InvalidArgError(f"unknown target output name '{target}'")
            if target in targets:
                raise InvalidArgError(f"target output name '{target}' can only be specified once")
            targets.add(target)


def _kind_name(what: str, kinds: Sequence[tuple[str, int]], kind: int) -> str:
    """proto3 keeps numbers that no kind has."""
    for name, number in kinds:
        if number == kind:
            return name
    raise InvalidArgError(f"unknown batch {what} kind {kind}")


def _require_source(name: str, inputs: Collection[str]) -> None:
    if name not in inputs:
        raise InvalidArgError(f"unknown source input name '{name}'")
