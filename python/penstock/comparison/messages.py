# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Requests and answers as protobuf messages (contract 1.7), raw contents only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from penstock._proto.inference_pb2 import ModelInferRequest, ModelInferResponse
from penstock.comparison.errors import ComparisonError
from penstock.comparison.tensors import Tensor, from_bytes, to_bytes

Parameter = bool | int | float | str
_FIELDS: Final = {
    bool: "bool_param",
    int: "int64_param",
    float: "double_param",
    str: "string_param",
}


def encode_message(
    name: str,
    version: str,
    inputs: Sequence[Tensor],
    outputs: Sequence[str] = (),
    parameters: Mapping[str, Parameter] = MappingProxyType({}),
) -> bytes:
    """A serialised ModelInferRequest."""
    request = ModelInferRequest(model_name=name, model_version=version)
    for tensor in inputs:
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        request.raw_input_contents.append(to_bytes(tensor))
    for output in outputs:
        request.outputs.add(name=output)
    for key, value in parameters.items():
        setattr(request.parameters[key], _FIELDS[type(value)], value)
    return request.SerializeToString()


def decode_message(reply: object) -> list[Tensor]:
    """The outputs of a serialised ModelInferResponse. Raises ComparisonError."""
    assert isinstance(reply, bytes)
    response = ModelInferResponse.FromString(reply)
    if len(response.raw_output_contents) != len(response.outputs):
        raise ComparisonError(
            f"the server of '{response.model_name}' does not answer in raw contents"
        )
    return [
        from_bytes(output.name, output.datatype, output.shape, data)
        for output, data in zip(response.outputs, response.raw_output_contents, strict=True)
    ]
