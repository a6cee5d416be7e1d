# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Asks a server over gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from penstock._proto.inference_pb2 import (
    ModelConfigRequest,
    ModelConfigResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
)
from penstock.comparison.errors import ComparisonError
from penstock.comparison.messages import decode_message, encode_message
from penstock.comparison.models import Model, Tls
from penstock.comparison.tensors import Tensor

_SERVICE: Final = "/inference.GRPCInferenceService"
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


class GrpcClient:
    """One channel for all threads."""

    def __init__(self, address: str, *, tls: Tls | None, timeout_s: float) -> None:
        """`address`: host:port. Nothing is sent yet. Raises OSError for wrong certificates."""
        self._address = address
        self._timeout_s = timeout_s
        if tls is not None:
            roots = tls.ca.read_bytes() if tls.ca is not None else None
            credentials = grpc.ssl_channel_credentials(roots)
            self._channel = grpc.secure_channel(address, credentials, _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, _OPTIONS)
        self._infer = self._channel.unary_unary(f"{_SERVICE}/ModelInfer")

    def metadata(self, model: str, version: str) -> Mapping[str, Any]:
        """ModelMetadata."""
        request = ModelMetadataRequest(name=model, version=version)
        return _json(ModelMetadataResponse.FromString(self._call("ModelMetadata", request)))

    def config(self, model: str, version: str) -> Mapping[str, Any]:
        """ModelConfig."""
        request = ModelConfigRequest(name=model, version=version)
        answer = ModelConfigResponse.FromString(self._call("ModelConfig", request))
        return _json(answer.config)

    def encode(self, model: Model, inputs: Sequence[Tensor], outputs: Sequence[str]) -> object:
        """The message."""
        return encode_message(model.name, model.version, inputs, outputs)

    def send(self, request: object) -> object:
        """Waits for the whole answer."""
        return self._checked(self._infer, request)

    def decode(self, reply: object) -> list[Tensor]:
        """The outputs."""
        return decode_message(reply)

    def close(self) -> None:
        """Ends the channel."""
        self._channel.close()

    def _call(self, method: str, request: Message) -> bytes:
        call = self._channel.unary_unary(f"{_SERVICE}/{method}")
        return self._checked(call, request.SerializeToString())

    def _checked(self, call: Any, message: object) -> bytes:
        try:
            reply: bytes = call(message, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise ComparisonError(self._words(error)) from None
        return reply

    def _words(self, error: Any) -> str:
        details = " ".join(str(error.details()).split())
        if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in details:
            return (
                f"no gRPC server answers at {self._address} ({details}): "
                f"start one, or name its gRPC port by --url"
            )
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"grpc://{self._address}: no answer in {self._timeout_s:g} s, see --timeout"
        return f"grpc://{self._address}: {details} ({error.code().name})"


def _json(message: Message) -> Mapping[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
