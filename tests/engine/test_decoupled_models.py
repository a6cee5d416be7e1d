# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Decoupled `model.py` without a server: responses, senders and what is left of them (5.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from penstock._engine import InferCall
from penstock._proto.inference_pb2 import ModelInferResponse
from penstock.errors import Code, ServerError
from python_models import config, write_model
from served_models import ReplyQueue, ServedModels

DECOUPLED = "model_transaction_policy { decoupled: true }"
FOUR = {"INPUT0": np.arange(4, dtype=np.float32).reshape(1, 4)}

HEAD = """
import json
import threading
import numpy as np
import triton_python_backend_utils as pb_utils
FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
def response(array, **more):
    return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", array)], **more)
class TritonPythonModel:
"""


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ServedModels]:
    """On its way out nothing may be in flight, and no byte in use."""
    async with ServedModels().running() as served:
        yield served


def load(served: ServedModels, tmp_path: Path, body: str, more: str = "") -> None:
    served.load(write_model(tmp_path / "m", HEAD + body), config(DECOUPLED + more))


async def rows(replies: ReplyQueue) -> list[list[float]]:
    """The first row of every response; [] for one without outputs. Raises what one failed with."""
    found = []
    while True:
        reply = await replies.get()
        answer = ModelInferResponse.FromString(reply.encode())
        found.append([x for raw in answer.raw_output_contents for x in np.frombuffer(raw, "f4")])
        final = reply.final
        reply.release()
        if final:
            return found


async def test_one_array_used_again_and_again(served: ServedModels, tmp_path: Path) -> None:
    """A response is what the array was when it was sent."""
    body = """
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            array = np.zeros((1, 4), np.float32)
            for i in range(20):
                array[:] = i
                sender.send(response(array))
            sender.send(flags=FINAL)
"""
    load(served, tmp_path, body)
    _, replies = served.stream("m", FOUR)
    assert await rows(replies) == [[i] * 4 for i in range(20)] + [[]]


async def test_a_request_outlives_its_batch(served: ServedModels, tmp_path: Path) -> None:
    body = """
    def initialize(self, args):
        self.kept = []
    def execute(self, requests):
        self.kept.append(requests[0])
        if len(self.kept) == 1:
            return
        first = self.kept[0]
        assert first.request_id() == "first", first.request_id()
        assert json.loads(first.parameters()) == {"key": "value"}, first.parameters()
        assert first.timeout() == 0 and first.flags() == 0 and first.correlation_id() == 0
        assert first.requested_output_names() == {"OUTPUT0"}
        assert not first.is_cancelled()
        for request in self.kept:
            request.get_response_sender().send(response(request.inputs()[0].as_numpy()), FINAL)
        assert first.request_id() == "first"
        self.kept.clear()
"""
    load(served, tmp_path, body)
    _, first = served.stream("m", FOUR, request_id="first", parameters={"key": "value"})
    _, second = served.stream("m", FOUR)
    assert await rows(second) == await rows(first) == [[0, 1, 2, 3]]


async def test_parameters_and_dropped_outputs(served: ServedModels, tmp_path: Path) -> None:
    body = """
    def execute(self, requests):
        outputs = [pb_utils.Tensor("OTHER", np.zeros(1)), pb_utils.Tensor("OUTPUT0", ROW)]
        answer = pb_utils.InferenceResponse(outputs, parameters={"token": 7, "text": "x"})
        requests[0].get_response_sender().send(answer, FINAL)
ROW = np.ones((1, 2), np.float32)
"""
    load(served, tmp_path, body)
    _, replies = served.stream("m", FOUR)
    reply = await replies.get()
    answer = ModelInferResponse.FromString(reply.encode())
    assert [output.name for output in answer.outputs] == ["OUTPUT0"]
    assert answer.parameters["token"].int64_param == 7
    assert answer.parameters["text"].string_param == "x"


async def test_a_batch_of_streams(served: ServedModels, tmp_path: Path) -> None:
    """A thread a request, all of one batch; what raises in `execute` ends what is open."""
    body = """
    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.answer, args=(request,)).start()
    def answer(self, request):
        sender = request.get_response_sender()
        for _ in range(100):
            sender.send(response(request.inputs()[0].as_numpy()))
        sender.send(flags=FINAL)
"""
    load(served, tmp_path, body, "dynamic_batching { max_queue_delay_microseconds: 50000 }")
    arrays = [np.full((1, 4), i, np.float32) for i in range(8)]
    queues = [served.stream("m", {"INPUT0": array})[1] for array in arrays]
    for i, found in enumerate(await asyncio.gather(*map(rows, queues))):
        assert found == [[i] * 4] * 100 + [[]]


async def test_the_bound_on_unread_responses(served: ServedModels, tmp_path: Path) -> None:
    """The model waits with the 65th, and goes on with the first that is given back."""
    body = """
    def execute(self, requests):
        self.sender = requests[0].get_response_sender()
        threading.Thread(target=self.answer).start()
    def answer(self):
        row = np.ones((1, 1), np.float32)
        for i in range(200):
            self.sender.send(response(row * i))
        self.sender.send(response(row), FINAL)
"""
    load(served, tmp_path, body)
    _, replies = served.stream("m", FOUR)
    held = [await replies.get() for _ in range(64)]
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(replies.get(), 0.2)
    held.pop(0).release()
    held.append(await replies.get())
    for reply in held:
        reply.release()
    assert len(await rows(replies)) == 201 - 65


async def test_cancel_wakes_a_model_that_waits(served: ServedModels, tmp_path: Path) -> None:
    body = """
    def execute(self, requests):
        sender = requests[0].get_response_sender()
        while not sender.is_cancelled():
            sender.send(response(np.ones((1, 1), np.float32)))
        sender.send(response(np.ones((1, 1), np.float32)), FINAL)
        assert sender.is_cancelled()
"""
    load(served, tmp_path, body)
    call, replies = served.stream("m", FOUR)
    held = [await replies.get() for _ in range(64)]
    assert isinstance(call, InferCall)
    call.cancel()
    last = await replies.get()
    assert last.final
    with pytest.raises(ServerError) as caught:
        last.encode()
    assert caught.value.code is Code.CANCELLED
    for reply in held:
        reply.release()
    stats = served.statistics("m")
    assert stats["failures"]["CANCELED"] == 1
    assert stats["response_stats"]["64"]["cancel"]["count"] == 1


async def test_dropped_calls_and_replies(served: ServedModels, tmp_path: Path) -> None:
    """Whoever loses interest has nothing to clean up."""
    body = """
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for _ in range(300):
                sender.send(response(np.ones((1, 1), np.float32)))
            sender.send(flags=FINAL)
"""
    load(served, tmp_path, body)
    for _ in range(20):
        call, replies = served.stream("m", FOUR)
        await replies.get()
        call.cancel()
        replies.close()
    _, replies = served.stream("m", FOUR)
    assert len(await rows(replies)) == 301
