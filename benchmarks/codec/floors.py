# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The same messages decoded and encoded with json, numpy and google.protobuf.

The least that a server written in Python could do: no validation, one input, one output, all fields
known beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from penstock._proto import inference_pb2

Decode = Callable[[bytes], npt.NDArray[Any]]
Encode = Callable[[npt.NDArray[Any]], bytes]


def http_binary(json_bytes: int) -> tuple[Decode, Encode]:
    """v2 JSON with the tensor behind it."""

    def decode(body: bytes) -> npt.NDArray[Any]:
        tensor = json.loads(body[:json_bytes])["inputs"][0]
        size = tensor["parameters"]["binary_data_size"]
        data = memoryview(body)[json_bytes : json_bytes + size]
        return np.frombuffer(data, np.float32).reshape(tensor["shape"])

    def encode(array: npt.NDArray[Any]) -> bytes:
        output = _output(array) | {"parameters": {"binary_data_size": array.nbytes}}
        return _json(output) + array.tobytes()

    return decode, encode


def http_json() -> tuple[Decode, Encode]:
    """v2 JSON with the tensor's numbers in it."""

    def decode(body: bytes) -> npt.NDArray[Any]:
        tensor = json.loads(body)["inputs"][0]
        return np.array(tensor["data"], np.float32).reshape(tensor["shape"])

    def encode(array: npt.NDArray[Any]) -> bytes:
        return _json(_output(array) | {"data": array.ravel().tolist()})

    return decode, encode


def grpc_raw() -> tuple[Decode, Encode]:
    """v2 protobuf with raw tensor contents."""

    def decode(message: bytes) -> npt.NDArray[Any]:
        request = inference_pb2.ModelInferRequest.FromString(message)
        shape = tuple(request.inputs[0].shape)
        return np.frombuffer(request.raw_input_contents[0], np.float32).reshape(shape)

    def encode(array: npt.NDArray[Any]) -> bytes:
        reply = inference_pb2.ModelInferResponse(model_name="identity", model_version="1")
        reply.outputs.add(name="OUTPUT0", datatype="FP32", shape=array.shape)
        reply.raw_output_contents.append(array.tobytes())
        message: bytes = reply.SerializeToString()
        return message

    return decode, encode


def _output(array: npt.NDArray[Any]) -> dict[str, Any]:
    return {"name": "OUTPUT0", "datatype": "FP32", "shape": list(array.shape)}


def _json(output: dict[str, Any]) -> bytes:
    reply = {"model_name": "identity", "model_version": "1", "outputs": [output]}
    return json.dumps(reply, separators=(",", ":")).encode()
