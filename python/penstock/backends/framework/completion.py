# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Auto-completion of a configuration from the model itself (contract 3.2, stage B; X-24)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from penstock.backends.interface import ModelContext
from penstock.config.plan_batch import supplied_inputs
from penstock.config.plan_sequence import hidden_outputs
from penstock.errors import InvalidArgError
from penstock.types import DataType

from .signature import TensorSignature, by_name

if TYPE_CHECKING:
    from penstock._proto.model_config_pb2 import ModelConfig, ModelInput, ModelOutput

_log = logging.getLogger(__name__)

_DEFAULT_MAX_BATCH_SIZE: Final = 4
_BATCH_SETTING: Final = "default-max-batch-size"


def is_complete(context: ModelContext) -> bool:
    """Whether the configuration leaves nothing open, so that the model need not be asked."""
    config = context.config
    tensors: list[ModelInput | ModelOutput] = [*config.input, *config.output]
    return (
        (config.max_batch_size > 0 or context.max_batch_size_set)
        and len(config.input) > 0
        and len(config.output) > 0
        and all(tensor.data_type and tensor.dims for tensor in tensors)
    )


def complete(
    context: ModelContext, inputs: Sequence[TensorSignature], outputs: Sequence[TensorSignature]
) -> None:
    """Fills max_batch_size, dynamic_batching, inputs and outputs where they are open.

    Raises InvalidArgError when the model cannot batch but is told to, when the configuration names
    a tensor that the model has not, and for an input of a type that the protocol has not.
    """
    config = context.config
    _complete_batching(context, [*inputs, *outputs])
    # Clients neither give what the server supplies nor get the next states of sequences.
    inputs = _without(inputs, supplied_inputs(config))
    outputs = _without(outputs, hidden_outputs(config))
    for name, data_type, _ in inputs:
        if data_type == DataType.INVALID:
            raise InvalidArgError(
                f"unable to load model '{context.name}', input '{name}' has a type that requests "
                f"cannot carry"
            )
    if not config.input:
        for signature in inputs:
            config.input.add(name=signature.name)
    if not config.output:
        for signature in _sendable(context, outputs):
            config.output.add(name=signature.name)
    _complete_tensors(config, "input", config.input, inputs)
    _complete_tensors(config, "output", config.output, outputs)


def _without(
    signatures: Sequence[TensorSignature], tensors: Iterable[ModelInput | ModelOutput]
) -> list[TensorSignature]:
    names = {tensor.name for tensor in tensors}
    return [signature for signature in signatures if signature.name not in names]


def _complete_batching(context: ModelContext, tensors: Iterable[TensorSignature]) -> None:
    config = context.config
    batchable = all(dims is None or dims[:1] == (-1,) for _, _, dims in tensors)
    if not batchable:
        if config.max_batch_size > 0:
            raise InvalidArgError(
                f"autofill failed for model '{context.name}': model does not support batching "
                f"while non-zero max_batch_size is specified"
            )
        return
    if config.max_batch_size > 0 or context.max_batch_size_set:
        return
    config.max_batch_size = _default_max_batch_size(context)
    _log.warning(
        "autofilled max_batch_size to %d for model '%s' since batching is supporrted but no "
        "max_batch_size is specified in model configuration. Must specify max_batch_size to "
        "utilize autofill with a larger max batch size",
        config.max_batch_size,
        context.name,
    )
    if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.SetInParent()


def _default_max_batch_size(context: ModelContext) -> int:
    text = context.backend_config.get(_BATCH_SETTING, str(_DEFAULT_MAX_BATCH_SIZE))
    try:
        size = int(text)
    except ValueError:
        raise InvalidArgError(
            f"--backend-config {_BATCH_SETTING} must be an integer, got '{text}'"
        ) from None
    return size if size > 1 else 0


def _sendable(context: ModelContext, outputs: Iterable[TensorSignature]) -> list[TensorSignature]:
    sendable = []
    for signature in outputs:
        if signature.data_type == DataType.INVALID:
            _log.warning(
                "output '%s' of model '%s' is left out: it has a type that responses cannot carry",
                signature.name,
                context.name,
            )
        else:
            sendable.append(signature)
    return sendable


def _complete_tensors(
    config: ModelConfig,
    kind: str,
    tensors: Iterable[ModelInput | ModelOutput],
    signatures: Sequence[TensorSignature],
) -> None:
    for tensor in tensors:
        signature = by_name(signatures, kind, tensor.name)
        if not tensor.data_type:
            tensor.data_type = signature.data_type  # type: ignore[assignment]
        if not tensor.dims and signature.dims is not None:
            _set_dims(tensor, signature.dims, batching=config.max_batch_size > 0)


def _set_dims(tensor: ModelInput | ModelOutput, dims: Sequence[int], *, batching: bool) -> None:
    """Without the batch dimension; nothing left is one element (C-1)."""
    own = dims[1:] if batching else dims
    tensor.dims.extend(own or [1])
    if not own and batching:
        tensor.reshape.SetInParent()
