# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Restricted APIs and header forwarding over both data planes (1.14, 1.15, G-32, X-57, X-68)."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from server_process import Reply, ServerProcess
from tritonclient.grpc import service_pb2, service_pb2_grpc

TIMEOUT_S = 20
GRPC_KEY = "triton-grpc-protocol-x-secret"

#: Answers with its parameters.
_MODEL = """
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            text = np.array([request.parameters()], np.object_)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("TEXT", text)]))
        return responses
"""
_CONFIG = """
    name: "echo"
    backend: "python"
    input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
    output { name: "TEXT" data_type: TYPE_STRING dims: [ 1 ] }
"""
#: One path of each API (1.14), and its RPC.
PATHS = {
    "health": ("GET", "/v2/health/live"),
    "metadata": ("GET", "/v2"),
    "inference": ("POST", "/v2/models/echo/infer"),
    "shared-memory": ("GET", "/v2/systemsharedmemory/status"),
    "model-config": ("GET", "/v2/models/echo/config"),
    "model-repository": ("POST", "/v2/repository/index"),
    "statistics": ("GET", "/v2/models/stats"),
    "trace": ("GET", "/v2/trace/setting"),
    "logging": ("GET", "/v2/logging"),
}
RPCS = {
    "health": ("ServerLive", service_pb2.ServerLiveRequest()),
    "metadata": ("ServerMetadata", service_pb2.ServerMetadataRequest()),
    "inference": ("ModelInfer", service_pb2.ModelInferRequest(model_name="echo")),
    "shared-memory": ("SystemSharedMemoryStatus", service_pb2.SystemSharedMemoryStatusRequest()),
    "model-config": ("ModelConfig", service_pb2.ModelConfigRequest(name="echo")),
    "model-repository": ("RepositoryIndex", service_pb2.RepositoryIndexRequest()),
    "statistics": ("ModelStatistics", service_pb2.ModelStatisticsRequest()),
    "trace": ("TraceSetting", service_pb2.TraceSettingRequest()),
    "logging": ("LogSettings", service_pb2.LogSettingsRequest()),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    (root / "echo" / "1").mkdir(parents=True)
    (root / "echo" / "1" / "model.py").write_text(_MODEL)
    (root / "echo" / "config.pbtxt").write_text(_CONFIG)
    return root


class Restricted(ServerProcess):
    """A server whose own health checks need the secret, too."""

    def request(
        self, method: str, path: str, body: Any = None, headers: Any = None, **k: Any
    ) -> Reply:
        given = {"X-Secret": "open sesame"} if headers is None else headers
        return super().request(method, path, body, given, **k)


@pytest.fixture(scope="module")
def restricted(
    data_plane: str, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Everything needs a header."""
    apis = ",".join(PATHS)
    options = [f"--http-restricted-api={apis}:x-secret=open sesame", f"--data-plane={data_plane}"]
    options.append(f"--grpc-restricted-protocol={apis}:x-secret=open sesame")
    log = tmp_path_factory.mktemp("log") / "server.log"
    with Restricted(repository, log, *options) as started:
        yield started


@pytest.fixture(scope="module")
def forwarding(
    data_plane: str, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    options = ["--http-header-forward-pattern=^x-(user|tag)|priority|triton_"]
    options += ["--grpc-header-forward-pattern=(?i)X-.*|priority", f"--data-plane={data_plane}"]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(repository, log, *options) as started:
        yield started


def body() -> dict[str, Any]:
    return {"inputs": [{"name": "IN", "datatype": "INT32", "shape": [1], "data": [1]}]}


@pytest.mark.parametrize("api", PATHS)
def test_http_apis_need_their_header(restricted: ServerProcess, api: str) -> None:
    """1.14, X-2, X-68: the name in any case, the value exactly."""
    method, path = PATHS[api]
    refused = "This API is restricted, expecting header 'x-secret'"
    content = body() if api == "inference" else None
    for headers in ({}, {"x-secret": "open"}, {"x-other": "open sesame"}):
        reply = restricted.request(method, path, content, headers)
        assert (reply.status, reply.json) == (403, {"error": refused})
    allowed = restricted.request(method, path, content, {"X-SECRET": "open sesame"})
    assert allowed.status == 200, allowed.body


def test_generate_is_inference_and_model_ready_is_health(restricted: ServerProcess) -> None:
    for method, path in (
        ("POST", "/v2/models/echo/generate"),
        ("POST", "/v2/models/echo/generate_stream"),
        ("GET", "/v2/models/echo/ready"),
        ("GET", "/v2/health/ready"),
    ):
        assert restricted.request(method, path, headers={}).status == 403
    assert restricted.request("POST", "/v2/models/echo/generate", {"IN": 1}).status == 200
    # the metrics' port is never restricted
    port = restricted.metrics_port
    assert restricted.request("GET", "/metrics", headers={}, port=port).status == 200


def test_a_refused_request_leaves_the_connection_in_step(restricted: ServerProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", restricted.http_port, timeout=TIMEOUT_S)
    for secret, status in (("no", 403), ("open sesame", 200), ("no", 403), ("open sesame", 200)):
        headers = {"x-secret": secret}
        connection.request("POST", "/v2/models/echo/infer", json.dumps(body()), headers)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def grpc_message() -> service_pb2.ModelInferRequest:
    request = service_pb2.ModelInferRequest(model_name="echo")
    request.inputs.add(name="IN", datatype="INT32", shape=[1])
    request.raw_input_contents.append(np.ones(1, np.int32).tobytes())
    return request


@pytest.fixture
def stub(restricted: ServerProcess) -> Iterator[Any]:
    with grpc.insecure_channel(restricted.grpc_url) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("api", RPCS)
def test_grpc_protocols_need_their_metadata(stub: Any, api: str) -> None:
    """G-32, X-2."""
    name, message = RPCS[api]
    message = grpc_message() if api == "inference" else message
    call = getattr(stub, name)
    for metadata in ((), ((GRPC_KEY, "open"),), (("x-secret", "open sesame"),)):
        with pytest.raises(grpc.RpcError) as failed:
            call(message, metadata=metadata, timeout=TIMEOUT_S)
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        text = f"This protocol is restricted, expecting header '{GRPC_KEY}'"
        assert failed.value.details() == text
    call(message, metadata=((GRPC_KEY, "open sesame"),), timeout=TIMEOUT_S)


def test_streams_and_health_checks_need_it_too(restricted: ServerProcess, stub: Any) -> None:
    """G-32, X-68."""
    with pytest.raises(grpc.RpcError) as failed:
        list(stub.ModelStreamInfer(iter([grpc_message()]), timeout=TIMEOUT_S))
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    metadata = ((GRPC_KEY, "open sesame"),)
    calls = stub.ModelStreamInfer(iter([grpc_message()]), metadata=metadata, timeout=TIMEOUT_S)
    assert len(list(calls)) == 1
    with grpc.insecure_channel(restricted.grpc_url) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.RpcError):
            check(b"", timeout=TIMEOUT_S)
        assert check(b"", metadata=metadata, timeout=TIMEOUT_S) == b"\x08\x01"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--http-restricted-api=health,trace", "option format is '<apis>:<key>=<value>'"),
        ("--http-restricted-api=helth:a=b", "unknown restricted api 'helth'"),
        ("--grpc-restricted-protocol=a:b=c", "unknown restricted api 'a'"),
        ("--http-restricted-api=health:a=b", "restricted api 'health' can not be specified in"),
        ("--http-header-forward-pattern=(", "--http-header-forward-pattern: '(' is no regular"),
        ("--grpc-header-forward-pattern=[", "--grpc-header-forward-pattern: '[' is no regular"),
    ],
)
def test_bad_options_end_the_start(
    repository: Path, tmp_path: Path, option: str, text: str
) -> None:
    twice = "--http-restricted-api=health,inference:k=v"
    options = (twice, option) if "specified in" in text else (option,)
    server = ServerProcess(repository, tmp_path / "log", *options)
    server.start()
    assert server.running.wait(30) == 1
    assert text in server.log


def forwarded(server: ServerProcess, headers: dict[str, str], **parameters: Any) -> Any:
    content = body() | {"parameters": parameters}
    reply = server.request("POST", "/v2/models/echo/infer", content, headers)
    assert reply.status == 200, reply.body
    return json.loads(reply.json["outputs"][0]["data"][0])


def test_http_headers_become_parameters(forwarding: ServerProcess) -> None:
    """1.15: the name as received, in any case; what the body says goes before."""
    headers = {"X-User": "ann", "x-tagged": "yes", "x-usual": "no", "Accept": "x-user"}
    assert forwarded(forwarding, headers) == {"X-User": "ann", "x-tagged": "yes"}
    assert forwarded(forwarding, {"x-user": "ann"}, **{"x-user": "bob", "n": 1}) == {
        "x-user": "bob",
        "n": 1,
    }
    assert forwarded(forwarding, {}) == {}


@pytest.mark.parametrize("name", ["priority", "triton_thing"])
def test_reserved_http_headers_are_errors(forwarding: ServerProcess, name: str) -> None:
    """X-57; and the connection is good for the next request."""
    reply = forwarding.request("POST", "/v2/models/echo/infer", body(), {name: "1"})
    text = f"Header '{name}' is reserved for Triton usage and cannot be forwarded."
    assert (reply.status, reply.error) == (400, text)


def test_generate_forwards_nothing(forwarding: ServerProcess) -> None:
    """1.15."""
    headers = {"X-User": "ann", "priority": "1"}
    reply = forwarding.request("POST", "/v2/models/echo/generate", {"IN": 1}, headers)
    assert json.loads(reply.json["TEXT"]) == {}


def test_metadata_become_parameters(forwarding: ServerProcess) -> None:
    """1.15: of ModelInfer, and of every request of a stream."""
    with grpc_client.InferenceServerClient(forwarding.grpc_url) as client:
        stub = client._client_stub
        metadata = (("x-user", "ann"), ("y-user", "bob"))
        one = stub.ModelInfer(grpc_message(), metadata=metadata, timeout=TIMEOUT_S)
        assert texts(one) == {"x-user": "ann"}
        messages = [grpc_message() for _ in range(3)]
        stream = stub.ModelStreamInfer(iter(messages), metadata=metadata, timeout=TIMEOUT_S)
        assert [texts(reply.infer_response) for reply in stream] == [{"x-user": "ann"}] * 3
        with pytest.raises(grpc.RpcError) as failed:
            stub.ModelInfer(grpc_message(), metadata=(("priority", "1"),), timeout=TIMEOUT_S)
        assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "Header 'priority' is reserved" in failed.value.details()
        [reply] = stub.ModelStreamInfer(
            iter([grpc_message()]), metadata=(("priority", "1"),), timeout=TIMEOUT_S
        )
        assert "Header 'priority' is reserved" in reply.error_message


def texts(response: service_pb2.ModelInferResponse) -> Any:
    return json.loads(response.raw_output_contents[0][4:])
