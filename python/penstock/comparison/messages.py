# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Requests and answers as protobuf messages (contract 1.7), raw contents only."""

from __future__ import annotations

from collections.abc import Sequence

from penstock._proto.inference_pb2 import ModelInferRequest, ModelInferResponse
from penstock.comparison.errors import ComparisonError
from penstock.comparison.models import Model
from penstock.comparison.tensors import Tensor, from_bytes, to_bytes


def encode_message(model: Model, inputs: Sequence[Tensor], outputs: Sequence[str]) -> bytes:
    """A serialised ModelInferRequest."""
    request = ModelInferRequest(model_name=model.name, model_version=model.version)
    for tensor in inputs:
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        request.raw_input_contents.append(to_bytes(tensor))
    for name in outputs:
        request.outputs.add(name=name)
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
