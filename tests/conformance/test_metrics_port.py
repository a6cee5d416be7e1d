# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The metrics port (H-20, X-14) and what it counts (contract 6)."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from server_process import ServerProcess
from ways import HttpBinary, Way

PER_MODEL = (
    "nv_inference_request_success",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_input_duration_us",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_compute_output_duration_us",
    "nv_inference_pending_request_count",
    "nv_model_load_duration_secs",
)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics?x=1"])
def test_the_path(server: ServerProcess, path: str) -> None:
    reply = server.request("GET", path, port=server.metrics_port)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"# TYPE nv_inference_count counter\n" in reply.body


@pytest.mark.parametrize("path", ["/", "/foo", "/metrics/x", "/v2"])
def test_other_paths_are_empty(server: ServerProcess, path: str) -> None:
    reply = server.request("GET", path, port=server.metrics_port)
    assert (reply.status, reply.body) == (200, b"")


def test_other_methods(server: ServerProcess) -> None:
    assert server.request("POST", "/metrics", port=server.metrics_port).status == 405


def test_every_family_exists_from_load(server: ServerProcess) -> None:
    values = server.metrics()
    for name in PER_MODEL:
        assert f'{name}{{model="pair",version="1"}}' in values
        assert f'{name}{{_team="blue",model="versions",version="3"}}' in values
    for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER"):
        name = f'nv_inference_request_failure{{model="pair",reason="{reason}",version="1"}}'
        assert name in values
    for name in ("nv_pinned_memory_pool_total_bytes", "nv_pinned_memory_pool_used_bytes"):
        assert name in values
    assert 0 <= values["nv_cpu_utilization"] <= 1
    assert 0 < values["nv_cpu_memory_used_bytes"] < values["nv_cpu_memory_total_bytes"]


async def test_requests_are_counted(protocol: Way, server: ServerProcess) -> None:
    """M-1, M-3, M-4; the metrics agree with the statistics extension."""
    before = server.metrics()
    await protocol.infer("identity_uint32", {"INPUT0": np.zeros((5, 2), np.uint32)})
    after = server.metrics()
    labels = '{model="identity_uint32",version="1"}'
    grown = {name: after[name + labels] - before[name + labels] for name in PER_MODEL[:3]}
    assert list(grown.values()) == [1, 5, 1]
    stats = server.request("GET", "/v2/models/identity_uint32/stats").json["model_stats"][0]
    assert after[f"nv_inference_count{labels}"] == stats["inference_count"]
    duration = stats["inference_stats"]["success"]["ns"] // 1000
    assert after[f"nv_inference_request_duration_us{labels}"] == duration


def test_failures_are_counted_by_reason(server: ServerProcess) -> None:
    """M-2: a model that raises is BACKEND; a bad request counts nowhere."""
    name = 'nv_inference_request_failure{model="raises",reason="BACKEND",version="1"}'
    tensors = [
        {"name": f"INPUT{i}", "datatype": "INT32", "shape": [4], "data": [0] * 4} for i in range(2)
    ]
    before = server.metrics()[name]
    path = "/v2/models/raises/infer"
    assert server.request("POST", path, {"inputs": tensors}).status == 500
    assert server.metrics()[name] == before + 1
    assert server.request("POST", path, {"inputs": tensors[:1]}).status == 400
    assert server.metrics()[name] == before + 1


async def test_children_go_with_the_model(server: ServerProcess) -> None:
    way = HttpBinary(server)
    await way.control("load_model", "idle")
    assert any('model="idle"' in name for name in server.metrics())
    await way.control("unload_model", "idle")
    assert not any('model="idle"' in name for name in server.metrics())
    await way.close()


async def test_pending_requests(server: ServerProcess) -> None:
    """M-10: what waits behind the request that runs."""
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}
    body = json.dumps({"inputs": [tensor]})
    calls = [
        asyncio.create_task(
            asyncio.to_thread(server.request, "POST", "/v2/models/slow/infer", body)
        )
        for _ in range(3)
    ]
    name = 'nv_inference_pending_request_count{model="slow",version="1"}'
    while (await asyncio.to_thread(server.metrics))[name] < 2:
        assert not all(call.done() for call in calls)
    assert {reply.status for reply in await asyncio.gather(*calls)} == {200}
    assert server.metrics()[name] == 0
