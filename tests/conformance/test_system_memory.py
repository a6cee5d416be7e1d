# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tensors in POSIX shared memory of clients, with the stock client's own tools (contract 1.9)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
import tritonclient.utils.shared_memory as shm
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

IDENTITY = """
    backend: "identity" max_batch_size: 4 dynamic_batching {{}}
    input {{ name: "INPUT0" data_type: {0} dims: -1 }}
    output {{ name: "OUTPUT0" data_type: {0} dims: -1 }}
"""
BASE = "/v2/systemsharedmemory"
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module", params=["native", "python"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("system")
    for name, kind in (("numbers", "TYPE_FP32"), ("strings", "TYPE_STRING")):
        (folder / "models" / name / "1").mkdir(parents=True)
        (folder / "models" / name / "config.pbtxt").write_text(IDENTITY.format(kind))
    options = ("--allow-client-shm=true", f"--data-plane={request.param}")
    running = ServerProcess(folder / "models", folder / "log", *options)
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        assert running.stop() == 0


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Any]:
    kind = tritonclient.http if request.param == "http" else tritonclient.grpc
    url = server.http_url if request.param == "http" else server.grpc_url
    with contextlib.closing(kind.InferenceServerClient(url)) as opened:
        opened.kind = kind
        yield opened
        opened.unregister_system_shared_memory()


@pytest.fixture
def memory() -> Iterator[Any]:
    key = f"/conformance-{os.getpid()}"
    region = shm.create_shared_memory_region("ours", key, 4 * PAGE)
    yield key, region
    shm.destroy_shared_memory_region(region)


def window(client: Any, datatype: str, shape: list[int], size: int, offset: int = 0) -> Any:
    tensor = client.kind.InferInput("INPUT0", shape, datatype)
    tensor.set_shared_memory("r", size, offset=offset)
    return tensor


def into(client: Any, size: int, offset: int) -> Any:
    output = client.kind.InferRequestedOutput("OUTPUT0")
    output.set_shared_memory("r", size, offset=offset)
    return output


def test_tensors_are_read_and_written_there(client: Any, memory: Any) -> None:
    """SHM-2, SHM-6, SHM-8."""
    key, region = memory
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    shm.set_shared_memory_region(region, [values], offset=PAGE)
    client.register_system_shared_memory("r", key, 3 * PAGE, offset=PAGE)
    result = client.infer(
        "numbers", [window(client, "FP32", [2, 4], 32)], outputs=[into(client, 32, PAGE)]
    )
    there = shm.get_contents_as_numpy(region, np.float32, [2, 4], offset=2 * PAGE)
    assert there.tolist() == values.tolist()
    shown = result.get_output("OUTPUT0")
    if isinstance(shown, dict):
        assert shown["shape"] == [2, 4]
    else:
        assert list(shown.shape) == [2, 4]
        assert list(result.get_response().raw_output_contents) == [b""]
    # From there into the message, at any offset.
    shm.set_shared_memory_region(region, [values], offset=PAGE + 3)
    result = client.infer("numbers", [window(client, "FP32", [2, 4], 32, offset=3)])
    assert result.as_numpy("OUTPUT0").tolist() == values.tolist()


def test_strings(client: Any, memory: Any) -> None:
    key, region = memory
    words = np.array([["one", "", "drei"]], dtype=object)
    from tritonclient.utils import serialize_byte_tensor

    raw = serialize_byte_tensor(words)
    shm.set_shared_memory_region(region, [raw])
    client.register_system_shared_memory("r", key, PAGE)
    size = len(raw.item())
    result = client.infer("strings", [window(client, "BYTES", [1, 3], size)])
    assert result.as_numpy("OUTPUT0").tolist() == [[b"one", b"", b"drei"]]
    result = client.infer(
        "strings", [window(client, "BYTES", [1, 3], size)], outputs=[into(client, size, 64)]
    )
    there = shm.get_contents_as_numpy(region, np.object_, [1, 3], offset=64)
    assert there.tolist() == [[b"one", b"", b"drei"]]


def test_status_and_unregister(server: ServerProcess, client: Any, memory: Any) -> None:
    """SHM-2, SHM-4, SHM-5."""
    key, _ = memory
    client.register_system_shared_memory("r", key, 64, offset=PAGE)
    shown = [{"name": "r", "key": key, "offset": PAGE, "byte_size": 64}]
    assert server.request("GET", f"{BASE}/status").json == shown
    assert server.request("GET", f"{BASE}/region/r/status").json == shown
    status = client.get_system_shared_memory_status("r")
    region = status[0] if isinstance(status, list) else status.regions["r"]
    assert (region["byte_size"] if isinstance(region, dict) else region.byte_size) == 64
    with pytest.raises(InferenceServerException, match="shared memory region 'r' already in"):
        client.register_system_shared_memory("r", key, 64)
    client.unregister_system_shared_memory("nobody's")
    client.unregister_system_shared_memory("r")
    assert server.request("GET", f"{BASE}/status").json == []
    with pytest.raises(InferenceServerException, match="Unable to find system shared memory"):
        client.get_system_shared_memory_status("r")
    with pytest.raises(InferenceServerException, match="Unable to find shared memory region: 'r'"):
        client.infer("numbers", [window(client, "FP32", [1, 4], 16)])


def test_http_registrations(server: ServerProcess, memory: Any) -> None:
    """SHM-2: an offset is optional, the rest is not."""
    path, key = f"{BASE}/region/r/register", memory[0]
    for body, text in (
        ({}, "Shared memory register request has no 'key' field"),
        ({"key": key}, "Shared memory register request has no 'byte_size' field"),
        ({"key": 1, "byte_size": 4}, "Unable to parse 'key': expected a string"),
    ):
        reply = server.request("POST", path, body)
        assert (reply.status, reply.error) == (400, text)
    nameless = server.request("POST", f"{BASE}/register", {"key": key, "byte_size": 4})
    assert (nameless.status, nameless.error) == (
        400,
        "'region name' is necessary to register system shared memory region",
    )
    assert server.request("POST", path, {"key": key, "byte_size": 4}).status == 200
    assert server.request("POST", f"{BASE}/region/r/unregister").status == 200


def test_off_by_default(tmp_path: Path) -> None:
    """SHM-1, X-1."""
    text = (
        "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to "
        "enable."
    )
    (tmp_path / "models").mkdir()
    with ServerProcess(tmp_path / "models", tmp_path / "log") as running:
        running.wait_ready()
        assert running.request("GET", f"{BASE}/status").json == []
        for action in ("region/r/register", "region/r/unregister", "unregister"):
            reply = running.request("POST", f"{BASE}/{action}", {"key": "k", "byte_size": 4})
            assert (reply.status, reply.error) == (501, text)
