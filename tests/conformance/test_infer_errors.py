# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A bad request gets the contract's code and text from every client (C-7, H-23, H-40..H-49)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException
from ways import WAYS, Way

ROW = np.zeros((1, 4), np.float32)
TAG = "[request id: <id_unknown>] "
NOTE = (
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be "
    "prepended to each input shape. If you want to specify the full shape including the batch dim "
    "in your input dims config, try setting max_batch_size to zero. See the model configuration "
    "docs for more info on max_batch_size."
)

CASES: dict[str, tuple[str, str, dict[str, Any], str, str]] = {
    # name: model, inputs, options, code, text
    "unknown model": (
        "nobody",
        "INPUT0",
        {},
        "INVALID_ARG",
        "Request for unknown model: 'nobody' is not found",
    ),
    "unknown version": (
        "pair",
        "INPUT0",
        {"model_version": "9"},
        "NOT_FOUND",
        "Request for unknown model: 'pair' version 9 is not found",
    ),
    "missing input": (
        "pair",
        "INPUT0",
        {},
        "INVALID_ARG",
        f"{TAG}expected 2 inputs but got 1 inputs for model 'pair'. Got input(s) ['INPUT0'], "
        "but missing required input(s) ['INPUT1']. Please provide all required input(s).",
    ),
    "unknown input": (
        "labelled",
        "OTHER",
        {},
        "INVALID_ARG",
        f"{TAG}unexpected inference input 'OTHER' for model 'labelled'",
    ),
    "unknown output": (
        "labelled",
        "INPUT0",
        {"outputs": ["OTHER"]},
        "INVALID_ARG",
        f"{TAG}unexpected inference output 'OTHER' for model 'labelled'",
    ),
    "wrong type": (
        "labelled",
        "INPUT0",
        {"datatypes": {"INPUT0": "INT32"}, "values": ROW.astype(np.int32)},
        "INVALID_ARG",
        f"{TAG}inference input 'INPUT0' data-type is 'INT32', but model 'labelled' expects 'FP32'",
    ),
    "wrong shape": (
        "labelled",
        "INPUT0",
        {"values": np.zeros((1, 5), np.float32)},
        "INVALID_ARG",
        f"{TAG}unexpected shape for input 'INPUT0' for model 'labelled'. "
        f"Expected [-1,4], got [1,5]. {NOTE}",
    ),
    "wrong shape, no batching": (
        "unbatched",
        "INPUT0",
        {"values": np.zeros((3, 1), np.float32)},
        "INVALID_ARG",
        f"{TAG}unexpected shape for input 'INPUT0' for model 'unbatched'. "
        "Expected [2,-1], got [3,1]. ",
    ),
    "batch too large": (
        "labelled",
        "INPUT0",
        {"values": np.zeros((5, 4), np.float32)},
        "INVALID_ARG",
        f"{TAG}inference request batch-size must be <= 4 for 'labelled'",
    ),
    "the request's id in the text": (
        "labelled",
        "OTHER",
        {"request_id": "id 7"},
        "INVALID_ARG",
        "[request id: id 7] unexpected inference input 'OTHER' for model 'labelled'",
    ),
}


async def fails(way: Way, code: str, text: str | re.Pattern[str], *args: Any, **kw: Any) -> None:
    with pytest.raises(InferenceServerException) as caught:
        await way.infer(*args, **kw)
    message = caught.value.message()
    if isinstance(text, str):
        assert message == text
    else:
        assert text.search(message), message
    assert caught.value.status() == way.codes[code]


@pytest.mark.parametrize("case", CASES)
async def test_code_and_text(way: Way, case: str) -> None:
    model, name, options, code, text = CASES[case]
    options = dict(options)
    values = options.pop("values", ROW)
    await fails(way, code, text, model, {name: values}, **options)


async def test_batch_sizes_that_differ(way: Way) -> None:
    inputs = {"INPUT0": np.zeros((2, 4), np.float32), "INPUT1": np.zeros((3, 4), np.float32)}
    text = f"{TAG}input 'INPUT1' batch size does not match other inputs for 'pair'"
    await fails(way, "INVALID_ARG", text, "pair", inputs)


@pytest.mark.parametrize("name", ["http-binary", "http-aio", "grpc", "grpc-aio"])
async def test_a_size_that_is_not_that_of_the_shape(name: str, server: ServerProcess) -> None:
    way = WAYS[name](server)
    text = (
        f"{TAG}input byte size mismatch for input 'INPUT0' for model 'labelled'. "
        "Expected 16, got 12"
    )
    short = np.zeros((1, 3), np.float32)
    options = {"shapes": {"INPUT0": (1, 4)}}
    await fails(way, "INVALID_ARG", text, "labelled", {"INPUT0": short}, **options)
    await way.close()


async def test_a_negative_dimension(protocol: Way) -> None:
    text = re.compile("shape|dimension")
    options = {"shapes": {"INPUT0": (-1, 4)}}
    await fails(protocol, "INVALID_ARG", text, "labelled", {"INPUT0": ROW}, **options)


@pytest.mark.parametrize("dims", [(1, 2**63 - 1), (2**62, 4), (2**32, 2**32)], ids=str)
async def test_dimensions_that_overflow(protocol: Way, dims: tuple[int, ...]) -> None:
    options = {"shapes": {"INPUT0": dims}}
    text = re.compile("INPUT0|batch-size")
    await fails(protocol, "INVALID_ARG", text, "identity_fp32", {"INPUT0": ROW}, **options)


async def test_a_model_that_raises(way: Way) -> None:
    row = np.zeros(4, np.int32)
    text = re.compile(
        r"Failed to process the request\(s\) for model .*this model always fails", re.S
    )
    await fails(way, "INTERNAL", text, "raises", {"INPUT0": row, "INPUT1": row})


@pytest.mark.parametrize("name", ["http-aio", "grpc-aio"])
async def test_a_full_queue_is_unavailable(name: str, server: ServerProcess) -> None:
    """S-7, X-29: refused at once, and in no failure counter."""
    way = WAYS[name](server)
    values = np.zeros((1, 1), np.float32)
    calls = (way.infer("short_queue", {"INPUT0": values}) for _ in range(8))
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, InferenceServerException)]
    assert refused and len(refused) < 8
    assert {error.status() for error in refused} == {way.codes["UNAVAILABLE"]}
    assert {error.message() for error in refused} == {f"{TAG}Exceeds maximum queue size"}
    stats = await asyncio.to_thread(server.request, "GET", "/v2/models/short_queue/stats")
    assert stats.json["model_stats"][0]["inference_stats"]["fail"]["count"] == 0
    await way.close()
