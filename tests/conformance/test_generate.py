# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""generate and generate_stream over both data planes (H-9, H-10, GEN-1..GEN-7, X-51..X-53)."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import decoupled_models
import pytest
from plugged_models import until
from server_process import Reply, ServerProcess

TIMEOUT_S = 20
NOT_ONE = (
    "generate expects model to produce exactly 1 response, use generate stream for model that "
    "generates various number of responses"
)

#: Echoes: TEXT is what it has got, as JSON; `answer` chooses outputs.
_ECHO = """
import json

import numpy as np
import triton_python_backend_utils as pb_utils


def listed(value):
    values = value.as_numpy()
    flat = [v.decode() if isinstance(v, bytes) else v.item() for v in values.flatten()]
    return {"shape": list(values.shape), "values": flat}


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            parameters = json.loads(request.parameters())
            seen = {tensor.name(): listed(tensor) for tensor in request.inputs()}
            seen["parameters"], seen["id"] = parameters, request.request_id()
            shape = (1,) if request.inputs()[0].name() == "FLAT" else (1, 1)
            text = np.array([json.dumps(seen)], np.object_).reshape(shape)
            outputs = [pb_utils.Tensor("TEXT", text)]
            if "raw" in parameters:
                raw = np.array([b"\\xff\\xfe", parameters["raw"].encode()], np.object_)
                outputs = [pb_utils.Tensor("TEXT", raw.reshape(1, 2))]
            given = {"answered": True, "count": 3, "score": 0.5, "word": "a"}
            responses.append(pb_utils.InferenceResponse(outputs, parameters=given))
        return responses
"""

#: Keeps the metrics of TensorRT-LLM's back end after IN=1, until IN=0.
_LOADED = """
import triton_python_backend_utils as pb_utils

VALUES = {"used": 10, "max": 40, "tokens_per": 64}


class TritonPythonModel:
    def initialize(self, args):
        self.metrics = []

    def execute(self, requests):
        responses = []
        for request in requests:
            tensor = request.inputs()[0].as_numpy()
            self.keep(bool(tensor[0]))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", tensor)]))
        return responses

    def keep(self, wanted):
        if not wanted:
            self.metrics = []
        elif not self.metrics:
            self.family = pb_utils.MetricFamily(
                name="nv_trt_llm_kv_cache_block_metrics",
                description="Blocks of the cache",
                kind=pb_utils.MetricFamily.GAUGE,
            )
            for kind, value in VALUES.items():
                metric = self.family.Metric(labels={"kv_cache_block_type": kind})
                metric.set(value)
                self.metrics.append(metric)
"""

_LOADED_CONFIG = """
    name: "loaded"
    backend: "python"
    input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
    output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
"""

_CONFIG = """
    name: "echo"
    backend: "python"
    max_batch_size: 8
    input { name: "WORDS" data_type: TYPE_STRING dims: [ -1, 2 ] optional: true }
    input { name: "NUMBERS" data_type: TYPE_INT64 dims: [ 1 ] optional: true }
    input { name: "CUBE" data_type: TYPE_FP64 dims: [ 2, -1, -1 ] optional: true }
    input { name: "SWITCH" data_type: TYPE_BOOL dims: [ 1 ] optional: true }
    input { name: "HALF" data_type: TYPE_FP16 dims: [ 1 ] optional: true }
    output { name: "TEXT" data_type: TYPE_STRING dims: [ -1 ] }
"""

_NESTED = """
    name: "nested"
    backend: "identity"
    input { name: "parameters" data_type: TYPE_INT32 dims: [ -1 ] }
    output { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ -1 ] }
"""


@pytest.fixture(scope="module")
def server(data_plane: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    repository = tmp_path_factory.mktemp("generate")
    decoupled_models.write_repository(repository)
    (repository / "echo" / "1").mkdir(parents=True)
    (repository / "echo" / "1" / "model.py").write_text(_ECHO)
    (repository / "echo" / "config.pbtxt").write_text(_CONFIG)
    (repository / "loaded" / "1").mkdir(parents=True)
    (repository / "loaded" / "1" / "model.py").write_text(_LOADED)
    (repository / "loaded" / "config.pbtxt").write_text(_LOADED_CONFIG)
    (repository / "nested" / "1").mkdir(parents=True)
    (repository / "nested" / "config.pbtxt").write_text(_NESTED)
    options = [f"--data-plane={data_plane}", "--http-max-input-size=4096"]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(repository, log, *options) as started:
        yield started


Generate = Callable[..., Reply]


@pytest.fixture
def generate(server: ServerProcess) -> Generate:
    def post(model: str, body: Any, *, stream: bool = False, version: str = "", **h: str) -> Reply:
        action = "generate_stream" if stream else "generate"
        path = f"/v2/models/{model}{version}/{action}"
        return server.request("POST", path, body, {k.replace("_", "-"): v for k, v in h.items()})

    return post


def events(reply: Reply) -> list[Any]:
    """The events of a stream; nothing else may be in it."""
    *pieces, rest = reply.body.split(b"\n\n")
    assert rest == b""
    assert all(piece.startswith(b"data: ") for piece in pieces)
    return [json.loads(piece.removeprefix(b"data: ")) for piece in pieces]


def seen(reply: Reply) -> Any:
    """What the model `echo` has got."""
    assert reply.status == 200, reply.body
    return json.loads(reply.json["TEXT"])


def test_one_response_is_an_object(generate: Generate) -> None:
    """GEN-3, GEN-6, H-35."""
    reply = generate("ordinary", {"IN": 6, "id": "a"}, version="/versions/1")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in reply.headers
    assert reply.json == {"OUT": 7, "id": "a", "model_name": "ordinary", "model_version": "1"}


def test_response_parameters_are_members(generate: Generate) -> None:
    """GEN-3."""
    reply = generate("echo", {"NUMBERS": 1}).json
    assert {name: reply[name] for name in ("answered", "count", "score", "word")} == {
        "answered": True,
        "count": 3,
        "score": 0.5,
        "word": "a",
    }
    assert "id" not in reply


def test_text_is_not_changed(generate: Generate) -> None:
    """GEN-3, X-69: several elements are an array, and bytes come out as they are."""
    body = generate("echo", {"NUMBERS": 1, "raw": 'ü"\n'}).body
    assert b'"TEXT":["' + b'\xff\xfe","' + 'ü\\"\\n"]'.encode() in body


def test_what_is_no_input_is_a_parameter(generate: Generate) -> None:
    """GEN-1, X-53: at the top and in `parameters`; `id` is both."""
    body = {
        "NUMBERS": 5,
        "id": "x1",
        "whole": 3,
        "real": 0.25,
        "on": True,
        "text": "t",
        "sequence_id": 9,
        "parameters": {"temperature": 1, "big": 2**63, "SWITCH": False, "priority": "high"},
    }
    got = seen(generate("echo", body))
    assert got["id"] == "x1"
    assert got["SWITCH"] == {"shape": [1, 1], "values": [False]}
    assert got["parameters"] == {
        "id": "x1",
        "whole": 3,
        "real": 0.25,
        "on": True,
        "text": "t",
        "sequence_id": 9,
        "temperature": 1,
        "big": 2.0**63,
        "priority": "high",
    }


@pytest.mark.parametrize(
    ("name", "value", "shape"),
    [
        ("WORDS", ["a", "b", "c", "d"], [1, 2, 2]),
        ("WORDS", ["a", "b"], [1, 1, 2]),
        ("NUMBERS", [1, 2, 3], [3, 1]),
        ("NUMBERS", 7, [1, 1]),
        ("CUBE", [0.5] * 6, [1, 2, 1, 3]),
    ],
)
def test_shapes_are_found(generate: Generate, name: str, value: Any, shape: list[int]) -> None:
    """GEN-2: the batch dimension is a wildcard; the innermost wildcard takes what is left."""
    values = value if isinstance(value, list) else [value]
    assert seen(generate("echo", {name: value}))[name] == {"shape": shape, "values": values}


@pytest.mark.parametrize(
    ("model", "body", "status", "text"),
    [
        ("echo", {"WORDS": ["a", "b", "c"]}, 400, "can not convert input 'WORDS' to tensor with"),
        ("echo", {"CUBE": 1.0}, 400, "The schema can not convert input 'CUBE' to tensor"),
        ("echo", {"WORDS": [["a", "b"]]}, 400, "'WORDS' must be a single value or an array"),
        ("echo", {"WORDS": {"a": "b"}}, 400, "'WORDS' must be a single value or an array"),
        ("echo", {"NUMBERS": "one"}, 400, "Unable to parse 'data'"),
        ("echo", {"NUMBERS": None}, 400, "Unable to parse 'data'"),
        ("echo", {"HALF": 1.0}, 400, "input 'HALF' has unsupported datatype FP16"),
        ("echo", {"x": [1]}, 400, "parameter 'x' has invalid type. It should be either 'int'"),
        ("echo", {"x": None}, 400, "parameter 'x' has invalid type. It should be either 'int'"),
        ("echo", {"id": 5}, 400, "Unable to parse 'id'"),
        (
            "echo",
            {"parameters": 5},
            400,
            "Converting keyword: 'parameters': Expected JSON object for keyword: 'parameters': ",
        ),
        ("echo", {"parameters": {"x": {}}}, 400, "Converting keyword: 'parameters': parameter 'x'"),
        (
            "nested",
            {"parameters": {"x": 1}},
            400,
            "Keyword 'parameters' for nested schema also given as input tensor name",
        ),
        ("ordinary", {}, 400, "expected 1 inputs but got 0 inputs for model 'ordinary'"),
        ("echo", b"{", 400, "failed to parse the request JSON buffer"),
        ("echo", b"[1]", 400, "the request JSON must be an object"),
        ("echo", b'{"x":' + b"[" * 101 + b"]" * 101 + b"}", 400, "JSON nesting depth exceeds"),
        ("echo", {"WORDS": "a" * 5000}, 400, "exceeds the maximum allowed input size of 4096"),
        ("echo", {"CUBE": [1] * 1024}, 400, "request size of 8192 bytes with input 'CUBE' of size"),
        ("echo", {"NUMBERS": 1, "WORDS": "\ud800"}, 400, ""),
        ("nothing", {}, 400, "Request for unknown model: 'nothing' is not found"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["generate", "stream"])
def test_bad_requests_are_plain_errors(
    generate: Generate, model: str, body: Any, status: int, text: str, stream: bool
) -> None:
    """GEN-1, GEN-2, GEN-7, H-25, H-26."""
    reply = generate(model, body, stream=stream)
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/json"
    assert text in reply.error


def test_an_unknown_version_is_404(generate: Generate) -> None:
    reply = generate("echo", {}, version="/versions/7")
    assert (reply.status, reply.error) == (
        404,
        "Request for unknown model: 'echo' version 7 is not found",
    )


def test_encodings_are_refused(generate: Generate) -> None:
    """H-33."""
    reply = generate("echo", b"", Content_Encoding="gzip")
    assert reply.status == 501
    assert reply.error == "Unsupported content-encoding, only 'identity' is supported."


@pytest.mark.parametrize("count", [0, 2])
def test_generate_wants_one_response(generate: Generate, count: int) -> None:
    """GEN-4."""
    assert generate("square", {"IN": count}).json == {"error": NOT_ONE}


def test_generate_of_a_decoupled_model(generate: Generate) -> None:
    """GEN-4."""
    assert generate("square", {"IN": 1}).json["OUT"] == 1
    reply = generate("repeat", {"IN": 5, "fail_at": 0})
    assert (reply.status, reply.error) == (404, "no 5")


def test_a_stream_of_events(generate: Generate) -> None:
    """GEN-5, GEN-6: the bare final flag is no event."""
    reply = generate("square", {"IN": 3}, stream=True)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in reply.headers
    expected = {"OUT": 3, "model_name": "square", "model_version": "1"}
    assert events(reply) == [expected] * 3
    assert events(generate("square", {"IN": 0}, stream=True)) == []
    assert [e["OUT"] for e in events(generate("ordinary", {"IN": 3}, stream=True))] == [4]
    with_final = {"IN": [1, 2], "with_final": True}
    assert [e["OUT"] for e in events(generate("repeat", with_final, stream=True))] == [1, 2]


@pytest.mark.parametrize("stream", [False, True], ids=["generate", "stream"])
def test_load_metrics(generate: Generate, stream: bool) -> None:
    """H-36: once the three metrics are there, and for a format that there is."""
    header = "endpoint-load-metrics"

    def told(value: int) -> str | None:
        reply = generate(
            "loaded", {"IN": value}, stream=stream, endpoint_load_metrics_format="json"
        )
        assert reply.status == 200
        return reply.headers.get(header)

    until(lambda: told(0) is None)  # a worker's metrics are there a little after its answer
    until(lambda: told(1) is not None)
    assert (
        told(1) == 'JSON {"named_metrics":{"kv_cache_utilization":0.25,"max_token_capacity":2560}}'
    )
    reply = generate("loaded", {"IN": 1}, stream=stream, endpoint_load_metrics_format="text")
    assert reply.headers[header] == (
        "TEXT named_metrics.kv_cache_utilization=0.25, named_metrics.max_token_capacity=2560"
    )
    assert header not in generate("loaded", {"IN": 1}, stream=stream).headers
    other = generate("loaded", {"IN": 1}, stream=stream, endpoint_load_metrics_format="xml")
    assert other.status == 200 and header not in other.headers
    assert generate("loaded", {"IN": 0}).status == 200  # as it was


def test_ensembles_stream(generate: Generate) -> None:
    assert [e["OUT"] for e in events(generate("squares", {"IN": 2}, stream=True))] == [3, 3]


def test_errors_in_a_stream(generate: Generate) -> None:
    """GEN-5, X-52: the status is the first response's."""
    first = generate("repeat", {"IN": [4, 5], "fail_at": 0}, stream=True)
    assert first.status == 404
    assert [e.get("OUT", e) for e in events(first)] == [{"error": "no 4"}, 5]
    later = generate("repeat", {"IN": [4, 5], "fail_at": 1}, stream=True)
    assert later.status == 200
    assert [e.get("OUT", e) for e in events(later)] == [4, {"error": "no 5"}]


class OpenStream:
    """A generate_stream call whose events are read one by one."""

    def __init__(self, server: ServerProcess, model: str, body: Any) -> None:
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", server.http_port, timeout=TIMEOUT_S
        )
        path = f"/v2/models/{model}/generate_stream"
        self.connection.request("POST", path, json.dumps(body))

    def begin(self) -> http.client.HTTPResponse:
        self.response = self.connection.getresponse()
        return self.response

    def event(self) -> Any:
        line = self.response.readline()
        assert self.response.readline() == b"\n"
        return json.loads(line.removeprefix(b"data: "))


def test_the_first_event_arrives_before_the_second_is_made(
    server: ServerProcess, generate: Generate
) -> None:
    """The model waits for an order that is given when the event before it has been read."""
    stream = OpenStream(server, "ordered", {"IN": 1, "op": "open", "key": "tokens"})
    for _ in range(3):
        generate("ordered", {"IN": 1, "op": "order", "key": "tokens"}, stream=True)
        if not hasattr(stream, "response"):
            assert stream.begin().status == 200
        assert stream.event()["OUT"] == 1
    generate("ordered", {"IN": 0, "op": "order", "key": "tokens"}, stream=True)
    assert stream.response.read() == b""
    stream.connection.close()


def test_a_client_that_leaves_cancels(server: ServerProcess, generate: Generate) -> None:
    """GEN-6, H-30."""
    stream = OpenStream(server, "flood", {"IN": 1})
    stream.begin()
    stream.event()
    stream.connection.sock.close()
    stream.response.close()
    deadline = time.monotonic() + TIMEOUT_S
    while generate("flood", {"IN": 1, "op": "ask"}).json["OUT"][2] != 0:
        assert time.monotonic() < deadline, "the model still runs"
    assert server.request("GET", "/v2/health/live").status == 200


def test_a_slow_reader_stops_the_model(server: ServerProcess, generate: Generate) -> None:
    """Responses wait in the model, not in the server: 4 KiB each, and nobody reads."""
    stream = OpenStream(server, "flood", {"IN": 1024})
    stream.begin()
    sent = -1
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        now = generate("flood", {"IN": 1, "op": "ask"}).json["OUT"][0]
        if now == sent:
            break
        assert time.monotonic() < deadline, "the model is not stopped"
        sent = now
    assert sent < 20_000
    stream.connection.sock.close()
    stream.response.close()
