# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Serves models to tests without a server: real engine, loader and gRPC codec, no sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from penstock._engine import (
    CompletionPort,
    Engine,
    GrpcCodec,
    InferCall,
    InferReply,
    serialize_bytes,
)
from penstock._proto.inference_pb2 import ModelInferRequest, ModelInferResponse
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.registry import find_backend
from penstock.config.normalise import normalise, normalise_instance_groups
from penstock.devices.gpus import NO_GPUS, Gpus
from penstock.models.identity import ModelId
from penstock.serving.loaded_version import LoadedVersion
from penstock.serving.loader import ModelLoader
from penstock.types import NUMPY_DTYPES, DataType

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Wire:
    """A tensor as it travels: for BF16, and for bytes that no array holds."""

    data_type: DataType
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, value: Array | Wire) -> Wire:
        """The wire form of an array."""
        if isinstance(value, Wire):
            return value
        for data_type, dtype in NUMPY_DTYPES.items():
            if value.dtype == dtype:
                is_text = data_type is DataType.BYTES
                data = serialize_bytes(value) if is_text else value.tobytes()
                return cls(data_type, value.shape, data)
        raise TypeError(f"no data type for {value.dtype}")


@dataclass
class Answer:
    """One response: outputs by name, as they travelled, and parameters."""

    outputs: dict[str, Wire]
    parameters: dict[str, Any] = field(default_factory=dict)

    def array(self, name: str) -> Array:
        """An output that is not of strings."""
        wire = self.outputs[name]
        return np.frombuffer(wire.data, NUMPY_DTYPES[wire.data_type]).reshape(wire.shape)


class ReplyQueue:
    """The replies to one request of a stream, as they come."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[InferReply] = asyncio.Queue()
        self._closed = False

    def put(self, reply: InferReply) -> None:
        """What the codec is given."""
        if not self._closed:
            self._queue.put_nowait(reply)

    async def get(self) -> InferReply:
        """The next one."""
        return await self._queue.get()

    def close(self) -> None:
        """Drops what is there and what comes."""
        self._closed = True
        while not self._queue.empty():
            self._queue.get_nowait()


class ServedModels:
    """An engine with models in it; `infer` calls one."""

    def __init__(
        self,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        *,
        gpus: Gpus = NO_GPUS,
        host_policies: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        """`settings`: of --backend-config, by back end. `gpus`: what the machine seems to have."""
        self.engine = Engine(max_requests=1024)
        self.loader = ModelLoader(
            self.engine,
            find_backend,
            backend_settings=lambda name: (settings or {}).get(name, {}),
            find_gpus=lambda: gpus,
            host_policies=host_policies or {},
            drain_timeout_s=10.0,
        )
        self._loaded: dict[str, LoadedVersion] = {}
        self._port = CompletionPort(self.engine)
        self._codec = GrpcCodec(self.engine, self._port)

    def complete(self, model_dir: Path, config: ModelConfig | str) -> ModelConfig:
        """What the back end makes of an incomplete configuration (contract 3.2, stage B)."""
        config = _parse(model_dir, config)
        return self.loader.complete(
            config.name, model_dir, 1, config, max_batch_size_set=config.max_batch_size > 0
        )

    def load(self, model_dir: Path, config: ModelConfig | str) -> LoadedVersion:
        """Loads version 1 and publishes it; what a reload replaces is unloaded."""
        config = _parse(model_dir, config)
        normalise(config)
        prefers_gpus = self.loader.prefers_gpus(config.backend)
        gpus = self.loader.find_gpus()
        normalise_instance_groups(config, gpus, prefers_gpus=prefers_gpus)
        loaded = self.loader.load_version(config.name, model_dir, 1, config)
        self.loader.publish(ModelId(config.name), [loaded], [])
        before = self._loaded.get(config.name)
        self._loaded[config.name] = loaded
        if before is not None:
            self.loader.unload_version(before)
        return loaded

    def unload(self, name: str) -> None:
        """Waits for the model's requests and frees it."""
        loaded = self._loaded.pop(name)
        self.loader.publish(ModelId(name), [], [])
        self.loader.unload_version(loaded)
        self.loader.forget(ModelId(name))

    async def infer(
        self,
        name: str,
        inputs: Mapping[str, Array | Wire],
        *,
        outputs: Sequence[str] = (),
        request_id: str = "",
        parameters: Mapping[str, int | str | bool] | None = None,
    ) -> Answer:
        """Raises the ServerError that the request failed with."""
        message = _message(name, inputs, outputs, request_id, parameters)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call = self._codec.submit(message, future)
        await future
        return _answer(call.encode()[0])

    def stream(
        self,
        name: str,
        inputs: Mapping[str, Array | Wire],
        *,
        request_id: str = "",
        parameters: Mapping[str, int | str | bool] | None = None,
    ) -> tuple[InferCall, ReplyQueue]:
        """A request that may have any number of responses. Raises what it is refused with."""
        replies = ReplyQueue()
        message = _message(name, inputs, (), request_id, parameters)
        return self._codec.submit_stream(message, replies.put), replies

    def statistics(self, name: str) -> dict[str, Any]:
        """What the engine counts of a loaded model."""
        return self._loaded[name].model.statistics()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ServedModels]:
        """Completions reach the running loop inside; on the way out all must be given back."""
        loop = asyncio.get_running_loop()
        threads = _thread_count()
        loop.add_reader(self._port.fileno(), self._port.drain)
        try:
            yield self
            for name in list(self._loaded):
                self.unload(name)
            assert self.engine.in_flight == 0
            assert self.engine.pool_stats()["in_use_bytes"] == 0
            await _thread_count_back_to(threads)
        finally:
            loop.remove_reader(self._port.fileno())


def _message(
    name: str,
    inputs: Mapping[str, Array | Wire],
    outputs: Sequence[str],
    request_id: str,
    parameters: Mapping[str, int | str | bool] | None,
) -> bytes:
    request = ModelInferRequest(model_name=name, id=request_id)
    for key, value in inputs.items():
        wire = Wire.of(value)
        request.inputs.add(name=key, datatype=wire.data_type.name, shape=wire.shape)
        request.raw_input_contents.append(wire.data)
    for output in outputs:
        request.outputs.add(name=output)
    for key, setting in (parameters or {}).items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(setting)]
        setattr(request.parameters[key], kind, setting)
    return request.SerializeToString()


def _thread_count() -> int:
    """But for the engine's own, which the first cancel starts."""
    count = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            count += (task / "comm").read_text() != "reaper\n"
    return count


async def _thread_count_back_to(count: int) -> None:
    """The kernel lists a thread for a moment after it was joined, and tells nobody when not."""
    async with asyncio.timeout(5):
        while _thread_count() > count:
            await asyncio.sleep(0.001)


def _parse(model_dir: Path, config: ModelConfig | str) -> ModelConfig:
    parsed = ModelConfig()
    if isinstance(config, str):
        text_format.Parse(config, parsed)
    else:
        parsed.CopyFrom(config)
    parsed.name = model_dir.name
    return parsed


def _answer(message: bytes) -> Answer:
    response = ModelInferResponse.FromString(message)
    return Answer(
        {
            output.name: Wire(DataType[output.datatype], tuple(output.shape), data)
            for output, data in zip(response.outputs, response.raw_output_contents, strict=True)
        },
        {
            key: getattr(value, value.WhichOneof("parameter_choice") or "")
            for key, value in response.parameters.items()
        },
    )
