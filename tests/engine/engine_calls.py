# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Calls of the bare engine for tests: no event loop, no loader, no sockets."""

from __future__ import annotations

import json
import select
from typing import Any

import numpy as np
from penstock._engine import (
    Batch,
    CompletionPort,
    Engine,
    HttpCodec,
    InferCall,
    ModelPlan,
    ModelVersion,
    TensorSpec,
    make_identity_instance,
)
from penstock.types import DataType


class Answer:
    """As much of a future as the engine uses."""

    def __init__(self) -> None:
        self.count = 0

    def done(self) -> bool:
        return self.count > 0

    def set_result(self, result: None) -> None:
        self.count += 1


def fp32_plan(**settings: Any) -> ModelPlan:
    """INPUT0 -> OUTPUT0, FP32 of any length."""
    return ModelPlan(
        **{"name": "m", "version": 1, "max_batch_size": 8}
        | settings
        | {
            "inputs": [TensorSpec("INPUT0", DataType.FP32, [-1])],
            "outputs": [TensorSpec("OUTPUT0", DataType.FP32, [-1], labels=["a", "b"])],
        }
    )


class Bench:
    """An engine with one published model. native: run by the core; else whoever calls next()."""

    def __init__(
        self,
        *,
        native: bool = True,
        delay_ms: float = 0,
        engine: Engine | None = None,
        **settings: Any,
    ) -> None:
        self.engine = engine or Engine(max_requests=4096)
        self.port = CompletionPort(self.engine)
        self.codec = HttpCodec(self.engine, self.port)
        self.model: ModelVersion = self.engine.create(fp32_plan(**settings))
        if native:
            self.model.start_native(0, make_identity_instance(execute_delay_ms=delay_ms))
        self.engine.publish("m", [self.model])

    def submit(
        self, values: Any = (1, 2), answer: Any = None, parameters: Any = (), **output: Any
    ) -> tuple[InferCall, Any]:
        """A binary request of one row."""
        array = np.asarray(values, np.float32).reshape(1, -1)
        size = {"binary_data_size": array.nbytes}
        head: dict[str, Any] = {
            "inputs": [
                {"name": "INPUT0", "datatype": "FP32", "shape": array.shape, "parameters": size}
            ],
            "outputs": [{"name": "OUTPUT0", "parameters": output or {"binary_data": True}}],
        }
        text = json.dumps(head).encode()
        answer = answer or Answer()
        body = text + array.tobytes()
        call = self.codec.submit("m", -1, body, len(text), answer, parameters=parameters)
        return call, answer

    def wait(self, *answers: Answer) -> None:
        """Until all are answered; a minute is too long."""
        while not all(answer.done() for answer in answers):
            assert select.select([self.port.fileno()], [], [], 60)[0], "no answer"
            self.port.drain()

    def infer(self, values: Any = (1, 2)) -> np.ndarray[Any, Any]:
        """One request, there and back."""
        call, answer = self.submit(values)
        self.wait(answer)
        message, json_bytes = call.encode()
        binary = message[json_bytes:] if json_bytes >= 0 else b""
        return np.frombuffer(binary, np.float32)

    def next(self) -> Batch:
        """The next batch, which is known to be there."""
        batch = self.model.next(0)
        assert batch is not None
        return batch

    def in_use(self) -> int:
        """Bytes of the pool that somebody leases."""
        return self.engine.pool_stats()["in_use_bytes"]
