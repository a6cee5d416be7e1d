# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Index, load and unload by every client (H-13..H-15, G-10..G-12, REP-1..REP-4)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException
from ways import WAYS, HttpBinary, Way


async def index(way: Way) -> dict[str, list[dict[str, Any]]]:
    answer = await way.control("get_model_repository_index")
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in answer["models"] if isinstance(answer, dict) else answer:
        found.setdefault(entry["name"], []).append(entry)
    return found


async def refused(way: Way, method: str, *args: Any, **kwargs: Any) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as caught:
        await way.control(method, *args, **kwargs)
    return caught.value.status(), caught.value.message()


async def test_index(protocol: Way) -> None:
    found = await index(protocol)
    assert [(entry["version"], entry["state"]) for entry in found["versions"]] == [
        ("1", "READY"),
        ("3", "READY"),
    ]
    assert found["untried"] == [{"name": "untried"}]


def test_index_over_http(server: ServerProcess) -> None:
    ready = server.request("POST", "/v2/repository/index", {"ready": True}).json
    assert {entry["state"] for entry in ready} == {"READY"}
    assert not any("reason" in entry for entry in ready)  # REP-1: where there is one
    assert server.request("POST", "/v2/repository/any/index").status == 200
    reply = server.request("POST", "/v2/repository/index", {"ready": 1})
    assert (reply.status, reply.error) == (
        400,
        "Invalid value for 'ready': expected a boolean",
    )


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000, b'"x"'])
def test_a_bad_body(server: ServerProcess, body: bytes) -> None:
    for path in ("index", "models/idle/load", "models/idle/unload"):
        reply = server.request("POST", f"/v2/repository/{path}", body)
        assert reply.status == 400
        assert reply.error


async def test_load_and_unload(protocol: Way) -> None:
    values = {"INPUT0": np.ones(2, np.float32)}
    await protocol.control("load_model", "idle")
    assert await protocol.control("is_model_ready", "idle", "2")
    assert (await protocol.infer("idle", values)).model_version == "2"
    assert [entry["state"] for entry in (await index(protocol))["idle"]] == ["READY"]

    await protocol.control("unload_model", "idle")
    with pytest.raises(InferenceServerException) as caught:
        await protocol.infer("idle", values)
    assert caught.value.status() in (protocol.codes["NOT_FOUND"], protocol.codes["UNAVAILABLE"])
    assert caught.value.message().startswith("Request for unknown model: 'idle' ")
    for _ in range(200):
        entry = (await index(protocol))["idle"][0]
        if entry["state"] == "UNAVAILABLE":
            break
        await asyncio.sleep(0.01)
    assert (entry["state"], entry["reason"]) == ("UNAVAILABLE", "unloaded")


async def test_load_with_a_configuration(protocol: Way) -> None:
    """REP-2: `config` overrides the file for this load; the next plain load reads the file."""
    tensor = {"data_type": "TYPE_FP32", "dims": [-1]}
    override = {
        "backend": "identity",
        "max_batch_size": 0,
        "version_policy": {"specific": {"versions": [1]}},
        "input": [{"name": "INPUT0"} | tensor],
        "output": [{"name": "OUTPUT0"} | tensor],
    }
    await protocol.control("load_model", "idle", config=json.dumps(override))
    values = {"INPUT0": np.ones(2, np.float32)}
    assert (await protocol.infer("idle", values)).model_version == "1"
    await protocol.control("load_model", "idle")
    assert (await protocol.infer("idle", values)).model_version == "2"
    await protocol.control("unload_model", "idle")


async def test_a_model_that_fails_to_load(protocol: Way) -> None:
    """Its reason is in the reply and in the index, and nobody else notices."""
    status, message = await refused(protocol, "load_model", "broken")
    assert status == protocol.codes["INVALID_ARG"]
    assert message.startswith("load failed for model 'broken': version 1 is at UNAVAILABLE state: ")
    assert "no weights today" in message
    entry = (await index(protocol))["broken"][0]
    assert entry["state"] == "UNAVAILABLE"
    assert "no weights today" in entry["reason"]
    await protocol.infer("unbatched", {"INPUT0": np.ones((2, 1), np.float32)})


async def test_load_errors(protocol: Way) -> None:
    status, message = await refused(protocol, "load_model", "malformed")
    assert status == protocol.codes["INTERNAL"]
    assert message.startswith("failed to load 'malformed', failed to poll from model repository")
    status, message = await refused(protocol, "load_model", "nobody")
    assert status == protocol.codes["INTERNAL"]
    assert message.startswith("failed to load 'nobody', failed to poll from model repository")
    status, message = await refused(protocol, "load_model", "..")
    # a client of HTTP may take `..` out of the path by itself
    text = "invalid model name '..', model name must not contain path traversal characters"
    assert message == text or (status, message) == ("404", "Not Found")
    status, message = await refused(
        protocol, "load_model", "idle", files={"file:1/x": b"content"}, config=None
    )
    assert (status, message) == (
        protocol.codes["INVALID_ARG"],
        "Load parameter 'config' must be specified for model file override",
    )


async def test_unloading_what_is_not_there_succeeds(protocol: Way) -> None:
    """X-19."""
    await protocol.control("unload_model", "nobody")


def test_repository_names_are_refused(server: ServerProcess) -> None:
    """H-14, H-15."""
    for action in ("load", "unload"):
        reply = server.request("POST", f"/v2/repository/r/models/idle/{action}")
        text = "'repository_name' specification is not supported"
        assert (reply.status, reply.error) == (501, text)


def test_load_parameters_over_http(server: ServerProcess) -> None:
    path = "/v2/repository/models/idle/load"
    reply = server.request("POST", path, {"parameters": {"other": "x"}})
    assert (reply.status, reply.error) == (500, "unexpected error on creating Triton parameter")
    reply = server.request("POST", path, {"parameters": {"file:1/x": "not base64!"}})
    assert reply.status == 400
    reply = server.request("POST", path, {"parameters": []})
    assert reply.status == 400
    path = "/v2/repository/models/idle/unload"
    reply = server.request("POST", path, {"parameters": {"unload_dependents": "yes"}})
    assert reply.status == 400
    assert reply.error.startswith("Unable to parse 'unload_dependents'")


@pytest.mark.parametrize("name", ["http-aio", "grpc-aio"])
async def test_a_slow_load_does_not_delay_requests(name: str, server: ServerProcess) -> None:
    way = WAYS[name](server)
    tensor = {"data_type": "TYPE_FP32", "dims": [-1]}
    config = {
        "backend": "identity",
        "input": [{"name": "INPUT0"} | tensor],
        "output": [{"name": "OUTPUT0"} | tensor],
        "parameters": {"creation_delay_sec": {"string_value": "0.5"}},
    }
    load = asyncio.create_task(way.control("load_model", "idle", config=json.dumps(config)))
    answered = 0
    while not load.done():
        await way.infer("identity_fp32", {"INPUT0": np.ones((1, 1), np.float32)})
        answered += 1
    await load
    assert answered > 10
    await way.control("unload_model", "idle")
    await way.close()


async def test_control_is_off_without_explicit_mode(repository: Path, tmp_path: Path) -> None:
    """REP-4, X-21; and a repository of one model."""
    root = tmp_path / "models"
    root.mkdir()
    (root / "unbatched").symlink_to(repository / "unbatched")
    with ServerProcess(root, tmp_path / "log") as server:
        way = HttpBinary(server)
        text = "explicit model load / unload is not allowed if polling is enabled"
        for method in ("load_model", "unload_model"):
            assert await refused(way, method, "unbatched") == ("503", text)
        await way.close()
