# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Right answers, by every client: H-8, H-40..H-46, B-1, B-2, G-6, C-8."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from model_repository import DATATYPES, HAVE_ONNX
from server_process import ServerProcess
from tritonclient.utils import triton_to_np_dtype
from ways import WAYS, Way

#: Data types that JSON cannot carry (X-8).
BINARY_ONLY = {"FP16", "BF16"}


def array_of(datatype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values over the whole range of a type, the same each time."""
    random = np.random.default_rng(len(datatype) + sum(shape))
    if datatype == "BYTES":
        words = ["", "a", "Grüße", 'quote " and \\', "x" * 300, "\u20ac\U0001f600", "\n\t\x01"]
        return np.array(random.choice(words, shape).tolist(), dtype=object).reshape(shape)
    if datatype == "BF16":
        return random.standard_normal(shape).astype(ml_dtypes.bfloat16)
    kind = np.dtype(triton_to_np_dtype(datatype))
    if kind.kind == "b":
        return random.integers(0, 2, shape).astype(kind)
    if kind.kind == "f":
        return (random.standard_normal(shape) * 1000).astype(kind)
    bounds = np.iinfo(kind)
    return random.integers(bounds.min, bounds.max, shape, dtype=kind, endpoint=True)


def assert_same(actual: Any, expected: np.ndarray) -> None:
    if expected.dtype == object:
        decoded = [item.decode() if isinstance(item, bytes) else item for item in actual.flat]
        assert decoded == list(expected.flat)
        assert actual.shape == expected.shape
        return
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (8, 0)], ids=str)
async def test_every_data_type(way: Way, datatype: str, shape: tuple[int, ...]) -> None:
    if datatype in BINARY_ONLY and not getattr(way, "binary", True):
        pytest.skip("cannot be written as JSON")
    array = array_of(datatype, shape)
    answer = await way.infer(f"identity_{datatype.lower()}", {"INPUT0": array}, outputs=["OUTPUT0"])
    assert list(answer.arrays) == ["OUTPUT0"]
    assert_same(answer.arrays["OUTPUT0"], array)


async def test_name_version_and_id_come_back(way: Way) -> None:
    array = np.ones((2, 5), np.float32)
    answer = await way.infer("unbatched", {"INPUT0": array}, request_id="the id", model_version="1")
    assert (answer.model_name, answer.model_version, answer.id) == ("unbatched", "1", "the id")


async def test_no_version_is_the_latest(way: Way) -> None:
    array = np.ones(3, np.float32)
    assert (await way.infer("versions", {"INPUT0": array})).model_version == "3"
    answer = await way.infer("versions", {"INPUT0": array}, model_version="1")
    assert answer.model_version == "1"


async def test_several_tensors(way: Way) -> None:
    first = np.arange(8, dtype=np.float32).reshape(2, 4)
    inputs = {"INPUT1": -first, "INPUT0": first}
    answer = await way.infer("pair", inputs)
    np.testing.assert_array_equal(answer.arrays["OUTPUT0"], first)
    np.testing.assert_array_equal(answer.arrays["OUTPUT1"], -first)
    answer = await way.infer("pair", inputs, outputs=["OUTPUT1"])
    assert list(answer.arrays) == ["OUTPUT1"]
    np.testing.assert_array_equal(answer.arrays["OUTPUT1"], -first)


async def test_a_python_model(way: Way) -> None:
    a = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int32)
    b = np.array([[9, 9, 9, 9], [-1, 0, 1, 2]], np.int32)
    answer = await way.infer("add_sub", {"INPUT0": a, "INPUT1": b})
    np.testing.assert_array_equal(answer.arrays["OUTPUT0"], a + b)
    np.testing.assert_array_equal(answer.arrays["OUTPUT1"], a - b)


@pytest.mark.skipif(not HAVE_ONNX, reason="needs the extra 'onnx'")
@pytest.mark.parametrize("batch", [1, 3])
async def test_an_onnx_model_without_configuration(way: Way, batch: int, repository: Path) -> None:
    import onnxruntime

    x = np.random.default_rng(batch).standard_normal((batch, 4)).astype(np.float32)
    answer = await way.infer("linear", {"x": x}, outputs=["y"])
    session = onnxruntime.InferenceSession(repository / "linear" / "1" / "model.onnx")
    np.testing.assert_array_equal(answer.arrays["y"], session.run(["y"], {"x": x})[0])


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's
async def test_a_large_tensor(way: Way) -> None:
    array = np.random.default_rng(0).standard_normal((1, 150_528)).astype(np.float32)
    answer = await way.infer("identity_fp32", {"INPUT0": array}, outputs=["OUTPUT0"])
    np.testing.assert_array_equal(answer.arrays["OUTPUT0"], array)


@pytest.mark.parametrize("name", ["http-aio", "grpc-aio"])
async def test_many_in_flight_are_batched(name: str, server: ServerProcess) -> None:
    """The statistics show it: fewer executions than inferences."""
    way = WAYS[name](server)

    async def one(value: int) -> None:
        array = np.full((1, 3), value, np.float32)
        answer = await way.infer("batcher", {"INPUT0": array})
        np.testing.assert_array_equal(answer.arrays["OUTPUT0"], array)

    async def counts() -> tuple[int, int]:
        path = "/v2/models/batcher/stats"
        reply = await asyncio.to_thread(server.request, "GET", path)
        entry = reply.json["model_stats"][0]
        return entry["inference_count"], entry["execution_count"]

    before = await counts()
    await asyncio.gather(*(one(value) for value in range(64)))
    after = await counts()
    await way.close()
    assert after[0] - before[0] == 64
    assert 4 <= after[1] - before[1] <= 32
