# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Requests on one event loop: failures, cancellation, isolation of a batch's failure."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from penstock._engine import Batch, Engine
from penstock._proto import inference_pb2
from penstock.errors import (
    InternalError,
    InvalidArgError,
    ServerError,
    UnavailableError,
)
from penstock.models.identity import ModelId
from penstock.serving.data_plane import DataPlane
from penstock.serving.loader import ModelLoader
from puppet_models import FakeBackend, FakeModel, body, echo, model_config

Serve = Callable[[Callable[[Batch], None]], DataPlane]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a function as the model `echo`; at the end nothing may be in flight."""
    engine = Engine(max_requests=32)
    closers: list[Callable[[], None]] = []

    def start(execute: Callable[[Batch], None]) -> DataPlane:
        backend = FakeBackend(FakeModel(execute))
        loader = ModelLoader(engine, lambda name: backend, drain_timeout_s=5.0)
        version = loader.load_version("echo", Path("/models/echo"), 1, model_config())
        loader.publish(ModelId("echo"), [version], [])
        data = DataPlane(engine)
        closers.extend((lambda: loader.unload_version(version), data.close))
        return data

    yield start
    for close in closers:
        await asyncio.to_thread(close) if close.__name__ == "<lambda>" else close()
    gc.collect()
    assert engine.in_flight == 0


def message(name: str = "echo", request_id: str = "") -> bytes:
    request = inference_pb2.ModelInferRequest(model_name=name, id=request_id)
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[1])
    request.raw_input_contents.append(b"\0\0\x80\x3f")
    return request.SerializeToString()


async def test_grpc_messages(serve: Serve) -> None:
    data = serve(echo)
    reply = inference_pb2.ModelInferResponse.FromString(await data.infer_grpc(message()))
    assert (reply.model_name, reply.model_version) == ("echo", "1")
    assert reply.raw_output_contents[0] == b"\0\0\x80\x3f"


async def test_binary_replies_carry_their_json_length(serve: Serve) -> None:
    data = serve(echo)
    outputs = [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]
    reply, json_bytes = await data.infer_http("echo", 1, body(1.0, outputs=outputs), None)
    assert json.loads(reply[:json_bytes])["model_name"] == "echo"
    assert reply[json_bytes:] == b"\0\0\x80\x3f"


async def test_bad_requests_raise(serve: Serve) -> None:
    data = serve(echo)
    with pytest.raises(InvalidArgError, match="'nobody' is not found"):
        await data.infer_http("nobody", -1, body(1.0), None)
    with pytest.raises(InvalidArgError):
        await data.infer_http("echo", -1, b"{", None)
    with pytest.raises(InvalidArgError):
        await data.infer_grpc(b"\xff\xff")
    with pytest.raises(InvalidArgError, match="'nobody' is not found"):
        data.stream_grpc(message("nobody"), lambda reply: None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("oh no"), "Failed to process the request(s) for model 'echo_0_0', "),
        (SystemExit(1), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (InternalError("in the model's own words"), "in the model's own words"),
    ],
)
async def test_whatever_a_model_raises_fails_only_its_batch(
    serve: Serve, error: BaseException, text: str
) -> None:
    errors = [error]

    def execute(batch: Batch) -> None:
        if errors:
            raise errors.pop()
        echo(batch)

    data = serve(execute)
    with pytest.raises(InternalError) as caught:
        await data.infer_http("echo", -1, body(1.0), None)
    assert text in caught.value.message
    await data.infer_http("echo", -1, body(1.0), None)


async def test_a_request_that_was_forgotten_is_answered(serve: Serve) -> None:
    data = serve(lambda batch: None)
    with pytest.raises(InternalError):
        await data.infer_http("echo", -1, body(1.0), None)


async def test_cancelling_a_queued_request(serve: Serve) -> None:
    """H-30, G-28: it never runs, and its neighbours do."""
    entered, leave = threading.Event(), threading.Event()
    seen: list[int] = []

    def execute(batch: Batch) -> None:
        seen.extend(len(batch) * [1])
        entered.set()
        assert leave.wait(10)
        echo(batch)

    data = serve(execute)
    first = asyncio.create_task(data.infer_http("echo", -1, body(1.0), None))
    await asyncio.to_thread(entered.wait, 10)
    second = asyncio.create_task(data.infer_http("echo", -1, body(2.0), None))
    third = asyncio.create_task(data.infer_grpc(message()))
    await asyncio.sleep(0.01)  # both are submitted by now, in whatever order the loop chose
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    leave.set()
    await first
    await third
    assert len(seen) == 2


async def test_cancelling_a_running_request(serve: Serve) -> None:
    entered, leave = threading.Event(), threading.Event()

    def execute(batch: Batch) -> None:
        entered.set()
        assert leave.wait(10)
        echo(batch)

    data = serve(execute)
    task = asyncio.create_task(data.infer_http("echo", -1, body(1.0), None))
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    leave.set()
    await data.infer_http("echo", -1, body(1.0), None)


async def test_full_is_an_answer(serve: Serve) -> None:
    """All request slots are taken: UNAVAILABLE at once, and they come back."""
    entered, leave = threading.Event(), threading.Event()

    def execute(batch: Batch) -> None:
        entered.set()
        assert leave.wait(10)
        echo(batch)

    data = serve(execute)
    tasks = [asyncio.create_task(data.infer_http("echo", -1, body(1.0), None)) for _ in range(40)]
    await asyncio.to_thread(entered.wait, 10)
    leave.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [result for result in results if isinstance(result, ServerError)]
    assert len(refused) == 8
    assert all(isinstance(error, UnavailableError) for error in refused)
    await data.infer_http("echo", -1, body(1.0), None)
