# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Identity models behind the compiled codecs, for tests that compare these with other readers."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from penstock._engine import (
    CompletionPort,
    Engine,
    GrpcCodec,
    HttpCodec,
    ModelPlan,
    TensorSpec,
    make_identity_instance,
)
from penstock._proto.inference_pb2 import ModelInferRequest, ModelInferResponse
from penstock.types import DataType

#: all of a comparison, or what every change can afford
FULL = os.environ.get("PENSTOCK_FULL") == "1"


class Echo:
    """An identity model `identity_<TYPE>` of every type, behind both codecs, on its own loop."""

    def __init__(self) -> None:
        self.engine = Engine(max_requests=16)
        self.loop = asyncio.new_event_loop()
        port = CompletionPort(self.engine)
        self.loop.add_reader(port.fileno(), port.drain)
        self.port = port
        self.http_codec = HttpCodec(self.engine, port)
        self.grpc_codec = GrpcCodec(self.engine, port)
        self.models = [self._publish(t) for t in DataType if t is not DataType.INVALID]

    def _publish(self, data_type: DataType) -> Any:
        plan = ModelPlan(
            name=f"identity_{data_type.name}",
            version=1,
            max_batch_size=0,
            inputs=[TensorSpec("INPUT0", data_type, [-1])],
            outputs=[TensorSpec("OUTPUT0", data_type, [-1])],
        )
        model = self.engine.create(plan)
        model.start_native(0, make_identity_instance())
        self.engine.publish(plan.name, [model])
        return model

    def close(self) -> None:
        """Stops the models and the loop; nothing may be left."""
        for model in self.models:
            self.engine.publish(model.name, [])
            self.engine.retire(model)
        assert self.engine.in_flight == 0
        assert self.engine.pool_stats()["in_use_bytes"] == 0
        self.loop.remove_reader(self.port.fileno())
        self.loop.close()

    def http(self, data_type: DataType, body: bytes, json_bytes: int | None) -> tuple[bytes, int]:
        """The response body and its header length; raises ServerError."""

        async def call() -> tuple[bytes, int]:
            future: asyncio.Future[None] = self.loop.create_future()
            name = f"identity_{data_type.name}"
            pending = self.http_codec.submit(name, -1, body, json_bytes, future)
            await future
            return pending.encode()

        return self.loop.run_until_complete(call())

    def grpc(self, message: bytes) -> ModelInferResponse:
        """The response message; raises ServerError."""

        async def call() -> bytes:
            future: asyncio.Future[None] = self.loop.create_future()
            pending = self.grpc_codec.submit(message, future)
            await future
            return pending.encode()[0]

        return ModelInferResponse.FromString(self.loop.run_until_complete(call()))


def json_body(data_type: DataType, count: int, data: str, *, binary: bool) -> bytes:
    """A request whose 'data' is the given text."""
    return (
        f'{{"inputs":[{{"name":"INPUT0","datatype":"{data_type.name}","shape":[{count}],'
        f'"data":{data}}}],"outputs":[{{"name":"OUTPUT0",'
        f'"parameters":{{"binary_data":{json.dumps(binary)}}}}}]}}'
    ).encode()


def grpc_request(data_type: DataType, count: int) -> ModelInferRequest:
    """A request of so many elements, without them."""
    request = ModelInferRequest(model_name=f"identity_{data_type.name}")
    request.inputs.add(name="INPUT0", datatype=data_type.name, shape=[count])
    return request


def contents_field(data_type: DataType) -> str:
    """The field of InferTensorContents for a type."""
    if data_type in (DataType.INT64, DataType.UINT64, DataType.FP32, DataType.FP64, DataType.BOOL):
        return f"{data_type.name.lower()}_contents"
    return "uint_contents" if data_type.name.startswith("U") else "int_contents"
