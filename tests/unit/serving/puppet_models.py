# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Models and requests for the tests of the serving room; the engine is the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from google.protobuf import text_format
from penstock._engine import Batch, ModelPlan, NativeInstance
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import Instance, InstanceSpec, ModelContext
from penstock.config.normalise import normalise, normalise_instance_groups


def model_config(name: str = "echo", instances: int = 1, extra: str = "") -> ModelConfig:
    """INPUT0 -> OUTPUT0, FP32 [-1], no batching, the back end `test`."""
    tensor = "data_type: TYPE_FP32 dims: [ -1 ]"
    text = f"""
        name: "{name}" backend: "test"
        input {{ name: "INPUT0" {tensor} }} output {{ name: "OUTPUT0" {tensor} }}
        instance_group {{ count: {instances} kind: KIND_CPU }} {extra}
    """
    config = text_format.Parse(text, ModelConfig())
    normalise(config)
    normalise_instance_groups(config)
    return config


def body(*values: float, **changes: Any) -> bytes:
    """An HTTP request for such a model."""
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [len(values)], "data": values}
    return json.dumps({"inputs": [tensor]} | changes).encode()


def echo(batch: Batch) -> None:
    """Answers each request with its input."""
    for index in range(len(batch)):
        tensor = batch[index].input("INPUT0")
        assert tensor is not None
        batch.set_output(index, "OUTPUT0", tensor)


class RecordingInstance:
    """Runs a function on each batch, and remembers its threads."""

    def __init__(self, execute: Callable[[Batch], None]) -> None:
        self._execute = execute
        self.created_on = threading.current_thread()
        self.finalized_on: threading.Thread | None = None

    def execute(self, batch: Batch) -> None:
        assert threading.current_thread() is self.created_on
        self._execute(batch)

    def finalize(self) -> None:
        assert self.finalized_on is None
        self.finalized_on = threading.current_thread()


class FakeModel:
    """A loaded model whose instances run a function."""

    def __init__(self, execute: Callable[[Batch], None] = echo) -> None:
        self._execute = execute
        self.instances: list[RecordingInstance] = []
        self.unloaded = 0
        self.finalized_at_unload: list[bool] = []

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> Instance | NativeInstance:
        instance = RecordingInstance(self._execute)
        self.instances.append(instance)
        return instance

    def unload(self) -> None:
        self.unloaded += 1
        self.finalized_at_unload = [made.finalized_on is not None for made in self.instances]


class FakeBackend:
    """Hands out one model."""

    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.contexts: list[ModelContext] = []

    def auto_complete(self, context: ModelContext) -> None:
        self.contexts.append(context)
        context.config.max_batch_size = 4

    def load(self, context: ModelContext) -> FakeModel:
        self.contexts.append(context)
        return self.model
