# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Model configuration and metadata as the protocol's JSON (contract 1.3, 1.4, 2.12)."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from penstock._proto.model_config_pb2 import ModelConfig, ModelInput, ModelOutput
from penstock.types import DataType

#: Protobuf's name for "print defaults, too": older ones, which a model's execution environment may
#: have, have another.
_DEFAULTS_TOO: Final = (
    "always_print_fields_with_no_presence"
    if "always_print_fields_with_no_presence"
    in inspect.signature(json_format.MessageToDict).parameters
    else "including_default_value_fields"
)
_INT64_TYPES = frozenset(
    {
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT64,
    }
)

#: 64-bit fields that stay strings, as clients know them (2.12).
_STRING_FIELDS = frozenset(
    {
        "inference.ModelInstanceGroup.SecondaryDevice.device_id",
        "inference.ModelOptimizationPolicy.Cuda.GraphSpec.Shape.dim",
        "inference.ModelSequenceBatching.InitialState.dims",
    }
)


def config_to_json(config: ModelConfig) -> dict[str, Any]:
    """The configuration as a JSON object: snake_case names, defaults printed (2.12)."""
    how: dict[str, Any] = {"preserving_proto_field_name": True, _DEFAULTS_TOO: True}
    rendered = json_format.MessageToDict(config, **how)
    _integers_to_numbers(rendered, cast(Descriptor, ModelConfig.DESCRIPTOR))
    return rendered


def model_metadata(config: ModelConfig, versions: Sequence[int]) -> dict[str, Any]:
    """{name, versions, platform, inputs, outputs} (1.3). versions: those to be listed."""
    batching = config.max_batch_size >= 1
    return {
        "name": config.name,
        "versions": [str(version) for version in sorted(versions)],
        "platform": config.platform or config.backend,
        "inputs": [_tensor_metadata(tensor, batching) for tensor in config.input],
        "outputs": [_tensor_metadata(tensor, batching) for tensor in config.output],
    }


def _tensor_metadata(tensor: ModelInput | ModelOutput, batching: bool) -> dict[str, Any]:
    shape = [-1, *tensor.dims] if batching else list(tensor.dims)
    return {"name": tensor.name, "datatype": DataType(tensor.data_type).name, "shape": shape}


def _integers_to_numbers(rendered: dict[str, Any], descriptor: Descriptor) -> None:
    """Protobuf's JSON writes 64-bit integers as strings; here they are numbers, but for a few."""
    for field in descriptor.fields:
        if field.name not in rendered or field.full_name in _STRING_FIELDS:
            continue
        value = rendered[field.name]
        if field.type in _INT64_TYPES:
            rendered[field.name] = [int(v) for v in value] if _is_list(value) else int(value)
        elif field.message_type is not None:
            for message, message_type in _messages(value, field.message_type):
                _integers_to_numbers(message, message_type)


def _messages(value: Any, message_type: Descriptor) -> list[tuple[dict[str, Any], Descriptor]]:
    """The messages in a message field's rendered value, with their types."""
    if message_type.GetOptions().map_entry:
        entry_type = message_type.fields_by_name["value"].message_type
        return [] if entry_type is None else [(entry, entry_type) for entry in value.values()]
    return [(item, message_type) for item in (value if _is_list(value) else [value])]


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
