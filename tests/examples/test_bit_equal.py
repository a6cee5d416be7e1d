# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Answers are those of onnxruntime itself, to the bit: every way in, alone and batched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcclient_aio
import tritonclient.http as httpclient
from example_server import MODELS, Server

SHAPES = {"digits": (64,), "resnet50": (3, 224, 224)}
IN_FLIGHT = 64


@cache
def session(model: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(MODELS / model / "1" / "model.onnx")


def images(model: str, rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, *SHAPES[model]), dtype=np.float32)


def expected(model: str, batch: np.ndarray) -> np.ndarray:
    """What onnxruntime answers; it must say something, so that equality means something."""
    answer: np.ndarray = session(model).run(["probabilities"], {"image": batch})[0]
    assert answer.std() > 0
    return answer


def by_http(server: Server, model: str, batch: np.ndarray, binary: bool) -> np.ndarray:
    tensor = httpclient.InferInput("image", list(batch.shape), "FP32")
    tensor.set_data_from_numpy(batch, binary_data=binary)
    output = httpclient.InferRequestedOutput("probabilities", binary_data=binary)
    with httpclient.InferenceServerClient(server.http) as client:
        answer: np.ndarray = client.infer(model, [tensor], outputs=[output]).as_numpy(
            "probabilities"
        )
    return answer


def grpc_input(batch: np.ndarray) -> Any:
    tensor = grpcclient.InferInput("image", list(batch.shape), "FP32")
    tensor.set_data_from_numpy(batch)
    return tensor


def by_grpc(server: Server, model: str, batch: np.ndarray) -> np.ndarray:
    with grpcclient.InferenceServerClient(server.grpc) as client:
        answer: np.ndarray = client.infer(model, [grpc_input(batch)]).as_numpy("probabilities")
    return answer


WAYS: dict[str, Callable[[Server, str, np.ndarray], np.ndarray]] = {
    "http-json": lambda server, model, batch: by_http(server, model, batch, binary=False),
    "http-binary": lambda server, model, batch: by_http(server, model, batch, binary=True),
    "grpc": by_grpc,
}


@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("model", SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_alone(server: Server, way: str, model: str, rows: int) -> None:
    batch = images(model, rows)
    np.testing.assert_array_equal(WAYS[way](server, model, batch), expected(model, batch))


async def statistics(client: grpcclient_aio.InferenceServerClient, model: str) -> tuple[int, int]:
    stats = (await client.get_inference_statistics(model)).model_stats[0]
    return stats.inference_count, stats.execution_count


@pytest.mark.parametrize("model", SHAPES)
async def test_with_64_in_flight(server: Server, model: str) -> None:
    """Each request is of one row, so merged ones show as fewer executions than inferences."""
    rows = images(model, IN_FLIGHT, seed=1)
    async with grpcclient_aio.InferenceServerClient(server.grpc) as client:
        inferences, executions = await statistics(client, model)
        answers = await asyncio.gather(
            *(client.infer(model, [grpc_input(rows[i : i + 1])]) for i in range(IN_FLIGHT))
        )
        inferences_after, executions_after = await statistics(client, model)
    for i, answer in enumerate(answers):
        own = expected(model, rows[i : i + 1])
        np.testing.assert_array_equal(answer.as_numpy("probabilities"), own)
    assert inferences_after - inferences == IN_FLIGHT
    assert executions_after - executions < IN_FLIGHT
