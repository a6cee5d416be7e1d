# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Health, metadata, configuration, statistics by every client (H-1..H-7, G-1..G-5, G-8, G-9)."""

from __future__ import annotations

import re

import numpy as np
import pytest
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException
from ways import Way

UNKNOWN = "Request for unknown model: 'nobody' is not found"


async def fails(way: Way, code: str, text: str, method: str, *args: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        await way.control(method, *args)
    assert caught.value.message() == text
    assert caught.value.status() == way.codes[code]


async def test_health(protocol: Way) -> None:
    assert await protocol.control("is_server_live")
    assert await protocol.control("is_server_ready")
    assert await protocol.control("is_model_ready", "labelled")
    assert await protocol.control("is_model_ready", "labelled", "1")


def test_health_over_http_has_no_body(server: ServerProcess) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/labelled/ready"):
        reply = server.request("GET", path)
        assert (reply.status, reply.body) == (200, b"")
        assert "content-type" not in reply.headers


def test_readiness_of_models_over_http(server: ServerProcess) -> None:
    """H-4, X-4."""
    reply = server.request("GET", "/v2/models/nobody/ready")
    assert (reply.status, reply.error) == (400, UNKNOWN)
    reply = server.request("GET", "/v2/models/labelled/versions/7/ready")
    text = "Request for unknown model: 'labelled' version 7 is not found"
    assert (reply.status, reply.error) == (404, text)


async def test_server_metadata(protocol: Way) -> None:
    metadata = await protocol.control("get_server_metadata")
    assert metadata["name"] == "penstock"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", metadata["version"])
    assert {"classification", "binary_tensor_data", "statistics"} <= set(metadata["extensions"])


async def test_model_metadata(protocol: Way) -> None:
    metadata = await protocol.control("get_model_metadata", "pair")
    tensors = [{"datatype": "FP32", "shape": [-1, 4], "name": f"INPUT{i}"} for i in range(2)]
    assert metadata["name"] == "pair"
    assert metadata["versions"] == ["1"]
    assert metadata["platform"] == "identity"
    found = [
        tensor | {"shape": [int(dim) for dim in tensor["shape"]]} for tensor in metadata["inputs"]
    ]
    assert found == tensors
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["OUTPUT0", "OUTPUT1"]


async def test_versions_of_metadata(protocol: Way) -> None:
    """X-65: all ready ones, or just the one that was asked for."""
    metadata = await protocol.control("get_model_metadata", "versions")
    assert metadata["versions"] == ["1", "3"]
    metadata = await protocol.control("get_model_metadata", "versions", "1")
    assert metadata["versions"] == ["1"]


@pytest.mark.parametrize("method", ["get_model_metadata", "get_model_config"])
async def test_unknown_models(protocol: Way, method: str) -> None:
    await fails(protocol, "INVALID_ARG", UNKNOWN, method, "nobody")
    text = "Request for unknown model: 'pair' version 2 is not found"
    await fails(protocol, "NOT_FOUND", text, method, "pair", "2")


async def test_a_version_that_is_none_over_grpc(server: ServerProcess) -> None:
    """H-22: over HTTP it is no route."""
    from ways import Grpc

    way = Grpc(server)
    with pytest.raises(InferenceServerException) as caught:
        await way.control("get_model_metadata", "pair", "x")
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert caught.value.message().startswith(
        "failed to get model version from specified version string 'x'"
    )
    text = "invalid model version specified '-1' , version should be an integral value > 0"
    await fails(way, "INVALID_ARG", text, "get_model_config", "pair", "-1")
    await way.close()


async def test_model_config(protocol: Way) -> None:
    config = await protocol.control("get_model_config", "batcher")
    config = config.get("config", config)
    assert config["name"] == "batcher"
    assert config["backend"] == "identity"
    assert int(config["max_batch_size"]) == 16
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    assert int(config["dynamic_batching"]["max_queue_delay_microseconds"]) == 2000
    assert config["parameters"]["execute_delay_ms"]["string_value"] == "20"


def test_model_config_json(server: ServerProcess) -> None:
    """X-17: 64-bit numbers are numbers, and defaults are there."""
    config = server.request("GET", "/v2/models/batcher/config").json
    assert config["input"][0]["dims"] == [-1]
    assert config["input"][0]["optional"] is False
    assert config["platform"] == ""
    assert config["dynamic_batching"]["max_queue_delay_microseconds"] == 2000
    assert config["version_policy"] == {"latest": {"num_versions": 1}}


async def test_statistics_grow(protocol: Way) -> None:
    """Contract 1.11: a batch of 3 is 3 inferences, one request, one execution."""
    before = await statistics(protocol)
    await protocol.infer("identity_int16", {"INPUT0": np.zeros((3, 2), np.int16)})
    after = await statistics(protocol)
    grown = {name: after[name] - before[name] for name in before}
    assert grown == {
        "inference_count": 3,
        "execution_count": 1,
        "success": 1,
        "fail": 0,
        "queue": 1,
    }


async def statistics(way: Way) -> dict[str, int]:
    answer = await way.control("get_inference_statistics", "identity_int16")
    entry = answer["model_stats"][0]
    assert (entry["name"], entry["version"]) == ("identity_int16", "1")
    stages = entry["inference_stats"]
    # gRPC's JSON leaves out what is 0
    return {name: int(entry.get(name, 0)) for name in ("inference_count", "execution_count")} | {
        name: int(stages.get(name, {}).get("count", 0)) for name in ("success", "fail", "queue")
    }


def test_batch_statistics_and_durations(server: ServerProcess) -> None:
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [2, 4], "data": [0.5] * 8}
    reply = server.request("POST", "/v2/models/labelled/infer", {"inputs": [tensor]})
    assert reply.status == 200
    entry = server.request("GET", "/v2/models/labelled/stats").json["model_stats"][0]
    sizes = [row["batch_size"] for row in entry["batch_stats"]]
    assert sizes == sorted(sizes) and 2 in sizes
    row = entry["batch_stats"][sizes.index(2)]
    assert set(row) == {"batch_size", "compute_input", "compute_infer", "compute_output"}
    stages = entry["inference_stats"]
    parts = ("queue", "compute_input", "compute_infer", "compute_output")
    assert 0 < sum(stages[part]["ns"] for part in parts) <= stages["success"]["ns"]
    assert entry["last_inference"] > 1_600_000_000_000
    assert entry["response_stats"] == {}
    assert {usage["type"] for usage in entry["memory_usage"]} <= {"CPU"}


async def test_statistics_of_all_and_of_unknown_models(protocol: Way) -> None:
    """X-4, X-67."""
    answer = await protocol.control("get_inference_statistics")
    served = {(entry["name"], entry["version"]) for entry in answer["model_stats"]}
    assert {("labelled", "1"), ("versions", "1"), ("versions", "3")} <= served
    assert not any(name == "broken" for name, _ in served)
    method = "get_inference_statistics"
    text = "requested model 'nobody' is not available"
    await fails(protocol, "INVALID_ARG", text, method, "nobody")
    text = "requested model version is not available for model 'pair'"
    await fails(protocol, "INVALID_ARG", text, method, "pair", "8")


def test_a_missing_model_name(server: ServerProcess) -> None:
    reply = server.request("GET", "/v2/models")
    assert (reply.status, reply.error) == (400, "Missing model name in ModelMetadata request")
