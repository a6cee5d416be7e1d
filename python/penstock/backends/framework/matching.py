# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Compares a final configuration with what the model says, before it serves (contract 5.2).

A mistake that is found here fails the load; otherwise it would fail every request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.backends.interface import ModelContext
from penstock.config.plan_batch import batch_inputs, supplied_inputs
from penstock.config.plan_sequence import hidden_outputs
from penstock.errors import InvalidArgError
from penstock.types import DataType

from .signature import TensorSignature, by_name

if TYPE_CHECKING:
    from penstock._proto.model_config_pb2 import ModelConfig, ModelInput, ModelOutput

Dims = tuple[int, ...]


def match(
    context: ModelContext, inputs: Sequence[TensorSignature], outputs: Sequence[TensorSignature]
) -> frozenset[str]:
    """The tensors that are scalars of the model where the configuration says [1].

    Every input of the model must be configured; of its outputs, those that are served. Raises
    InvalidArgError naming the model, the tensor, what is configured and what the model has.
    """
    config = context.config
    given = [*config.input, *supplied_inputs(config)]
    if len(given) != len(inputs):
        raise _failure(
            context,
            f"configuration expects {len(given)} inputs, model provides {len(inputs)}",
        )
    taken = [*config.output, *hidden_outputs(config)]
    flat = _flat(config)
    scalars = [
        *(_match_one(context, "input", tensor, inputs, flat) for tensor in given),
        *(_match_one(context, "output", tensor, outputs, flat) for tensor in taken),
    ]
    return frozenset(name for name in scalars if name)


def _flat(config: ModelConfig) -> frozenset[str]:
    """The tensors without batch dimension: ragged inputs, batch inputs and outputs (C-4, 2.4)."""
    ragged = (tensor.name for tensor in config.input if tensor.allow_ragged_batch)
    made = (tensor.name for tensor in batch_inputs(config))
    cut = (name for batch_output in config.batch_output for name in batch_output.target_name)
    return frozenset([*ragged, *made, *cut])


def _match_one(
    context: ModelContext,
    kind: str,
    tensor: ModelInput | ModelOutput,
    signatures: Sequence[TensorSignature],
    flat: frozenset[str],
) -> str:
    """The tensor's name if it is a scalar, else nothing."""
    signature = by_name(signatures, kind, tensor.name)
    if tensor.data_type != signature.data_type:
        provided = "a type that the protocol cannot carry"
        if signature.data_type != DataType.INVALID:
            provided = DataType(signature.data_type).config_name
        raise _failure(
            context,
            f"configuration expects datatype {DataType(tensor.data_type).config_name} for {kind} "
            f"'{tensor.name}', model provides {provided}",
        )
    if signature.dims is None or tensor.name in flat:
        return ""
    configured = tuple(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
    batching = context.config.max_batch_size > 0
    if not batching and signature.dims == () and configured == (1,):
        return tensor.name
    if batching:
        _check_batch_dim(context, tensor.name, signature.dims)
        configured = (-1, *configured)
    _check_dims(context, tensor.name, signature.dims, configured)
    return ""


def _check_batch_dim(context: ModelContext, name: str, dims: Dims) -> None:
    """A batch of one is what a model with a fixed first dimension of 1 can take."""
    if dims[:1] == (-1,) or (dims[:1] == (1,) and context.config.max_batch_size == 1):
        return
    raise _failure(
        context,
        f"tensor '{name}': for the model to support batching the shape should have at least 1 "
        f"dimension and the first dimension must be -1; but shape expected by the model is "
        f"{_shown(dims)}",
    )


def _check_dims(context: ModelContext, name: str, dims: Dims, configured: Dims) -> None:
    first = 1 if context.config.max_batch_size > 0 else 0
    same = len(dims) == len(configured) and all(
        dim in (-1, own) for dim, own in zip(dims[first:], configured[first:], strict=True)
    )
    if not same:
        raise _failure(
            context,
            f"tensor '{name}': the model expects shape {_shown(dims)} but the model configuration "
            f"specifies shape {_shown(configured)}",
        )


def _failure(context: ModelContext, message: str) -> InvalidArgError:
    return InvalidArgError(f"unable to load model '{context.name}', {message}")


def _shown(dims: Dims) -> str:
    return f"[{','.join(map(str, dims))}]"
