# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Traces: settings by every client, files, ensembles, OpenTelemetry (1.12, 8, H-11, G-19)."""

from __future__ import annotations

import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from model_repository import write_identity
from otlp_collector import Collector
from server_process import Serve, ServerProcess
from tritonclient.grpc import service_pb2

DEADLINE_S = 20.0
STAGES = [
    "REQUEST_START",
    "QUEUE_START",
    "COMPUTE_START",
    "COMPUTE_INPUT_END",
    "COMPUTE_OUTPUT_START",
    "COMPUTE_END",
    "INFER_RESPONSE_COMPLETE",
    "REQUEST_END",
]
HTTP = ["HTTP_RECV_START", "HTTP_RECV_END", *STAGES, "HTTP_SEND_START", "HTTP_SEND_END"]
GRPC = ["GRPC_WAITREAD_START", "GRPC_WAITREAD_END", *STAGES, "GRPC_SEND_START", "GRPC_SEND_END"]
STEP = [name for name in STAGES if name != "INFER_RESPONSE_COMPLETE"]

_ENSEMBLE = """
name: "chain"
platform: "ensemble"
input { name: "IN" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }
ensemble_scheduling {
  step {
    model_name: "slow"
    model_version: -1
    input_map { key: "INPUT0" value: "IN" }
    output_map { key: "OUTPUT0" value: "MIDDLE" }
  }
  step {
    model_name: "slower"
    model_version: -1
    input_map { key: "INPUT0" value: "MIDDLE" }
    output_map { key: "OUTPUT0" value: "OUT" }
  }
}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_identity(root, "identity")
    write_identity(root, "other")
    write_identity(root, "words", datatype="BYTES")
    write_identity(root, "slow", delay_ms=60)
    write_identity(root, "slower", delay_ms=90)
    (root / "chain" / "1").mkdir(parents=True)
    (root / "chain" / "config.pbtxt").write_text(_ENSEMBLE)
    return root


def infer(server: ServerProcess, model: str = "identity", **headers: str) -> None:
    name = "IN" if model == "chain" else "INPUT0"
    tensor = {"name": name, "datatype": "FP32", "shape": [2], "data": [1.5, 2]}
    body = {"id": "req", "inputs": [tensor]}
    reply = server.request("POST", f"/v2/models/{model}/infer", body, headers)
    assert reply.status == 200, reply.body


class Trace:
    """What the elements of one id say."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.stamps: dict[str, int] = {}
        self.tensors: list[dict[str, Any]] = []

    def span(self, first: str, last: str) -> int:
        return self.stamps[last] - self.stamps[first]


def read(path: Path) -> dict[int, Trace]:
    """A trace file (T-1)."""
    traces: dict[int, Trace] = defaultdict(Trace)
    for element in json.loads(path.read_text()):
        trace = traces[element["id"]]
        if "timestamps" in element:
            [stamp] = element["timestamps"]
            trace.stamps[stamp["name"]] = stamp["ns"]
        elif "tensor" in element:
            trace.tensors.append(element["tensor"] | {"activity": element["activity"]})
        else:
            trace.head = element
    return dict(traces)


def wait_for(path: Path, count: int) -> dict[int, Trace]:
    """The file once it has that many traces."""
    deadline = time.monotonic() + DEADLINE_S
    found: dict[int, Trace] = {}
    while len(found) < count:
        assert time.monotonic() < deadline, f"{path} has {len(found)} traces, not {count}"
        if path.exists() and path.stat().st_size > 0:
            with contextlib.suppress(json.JSONDecodeError):  # the server is writing
                found = read(path)
    return found


@pytest.mark.parametrize("plane", ["native", "python"])
def test_every_stage_has_its_time(serve: Serve, tmp_path: Path, plane: str) -> None:
    """T-1..T-3, both protocols: the stamps are in order and none is missing."""
    file = tmp_path / "trace.json"
    server = serve("level=TIMESTAMPS", "rate=1", f"triton,file={file}", plane=plane)
    infer(server, "slow")
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        tensor = grpc_client.InferInput("INPUT0", [2], "FP32")
        tensor.set_data_from_numpy(np.zeros(2, np.float32))
        client.infer("slow", [tensor])
    traces = wait_for(file, 2)
    assert traces[1].head == {
        "id": 1,
        "model_name": "slow",
        "model_version": 1,
        "request_id": "req",
    }
    assert traces[2].head == {"id": 2, "model_name": "slow", "model_version": 1}
    for trace, names in ((traces[1], HTTP), (traces[2], GRPC)):
        assert sorted(trace.stamps) == sorted(names)
        times = [trace.stamps[name] for name in names]
        assert times == sorted(times)
        assert trace.span("COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START") >= 60_000_000
        assert trace.span(names[0], names[-1]) < DEADLINE_S * 1e9


@pytest.mark.parametrize("plane", ["native", "python"])
def test_an_ensemble_shows_its_steps(serve: Serve, tmp_path: Path, plane: str) -> None:
    """T-3: children with their parent, which last as long as the whole within 1 %."""
    file = tmp_path / "trace.json"
    server = serve("level=TIMESTAMPS", "rate=1", f"triton,file={file}", plane=plane)
    shares = []
    for attempt in range(1, 6):
        infer(server, "chain")
        traces = wait_for(file, 3 * attempt)
        parent, first, second = (traces[3 * attempt - 2 + i] for i in range(3))
        assert parent.head["model_name"] == "chain" and "parent_id" not in parent.head
        for step, model in ((first, "slow"), (second, "slower")):
            assert step.head["model_name"] == model
            assert step.head["parent_id"] == parent.head["id"]
            assert sorted(step.stamps) == sorted(STEP)
        assert "COMPUTE_START" not in parent.stamps
        assert first.stamps["REQUEST_END"] <= second.stamps["REQUEST_START"]
        steps = sum(step.span("REQUEST_START", "REQUEST_END") for step in (first, second))
        shares.append(steps / parent.span("REQUEST_START", "REQUEST_END"))
        if shares[-1] > 0.99:
            break
    assert max(shares) <= 1.0
    assert max(shares) > 0.99, shares  # the best of five: the machine may be busy


def test_rate_and_count(serve: Serve, tmp_path: Path) -> None:
    """T-4, T-5: every third request, two of them, in a file of their own."""
    file = tmp_path / "trace.json"
    server = serve("level=TIMESTAMPS", "rate=3", "count=2", f"triton,file={file}")
    for _ in range(12):
        infer(server)
    assert list(wait_for(Path(f"{file}.0"), 2)) == [1, 2]
    assert not file.exists()


def test_log_frequency(serve: Serve, tmp_path: Path) -> None:
    """T-5: a file each second trace, and one for the rest at the end."""
    file = tmp_path / "trace.json"
    server = serve("level=TIMESTAMPS", "rate=1", f"triton,file={file}", "triton,log-frequency=2")
    for index in range(2):
        infer(server)
        infer(server)
        assert list(wait_for(Path(f"{file}.{index}"), 2)) == [2 * index + 1, 2 * index + 2]
    infer(server)
    assert server.stop() == 0
    assert list(read(Path(f"{file}.2"))) == [5]


def test_what_a_stop_finds_is_written(serve: Serve, tmp_path: Path) -> None:
    """T-5: with a limit that is not reached, at the end."""
    file = tmp_path / "trace.json"
    server = serve("level=TIMESTAMPS", "rate=1", "count=100", f"triton,file={file}")
    infer(server)
    infer(server)
    assert not file.exists()
    assert server.stop() == 0
    assert list(read(file)) == [1, 2]


def test_tensors(serve: Serve, tmp_path: Path) -> None:
    """T-1, T-2."""
    file = tmp_path / "trace.json"
    server = serve("level=TENSORS", "rate=1", f"triton,file={file}")
    infer(server)
    tensor = {"name": "INPUT0", "datatype": "BYTES", "shape": [2], "data": ['say "x"', "y,z"]}
    body = {"inputs": [tensor]}
    assert server.request("POST", "/v2/models/words/infer", body).status == 200
    traces = wait_for(file, 2)
    described = {"data": "1.5,2.0", "shape": "2", "dtype": "FP32"}
    assert traces[1].tensors == [
        {"activity": "TENSOR_QUEUE_INPUT", "name": "INPUT0"} | described,
        {"activity": "TENSOR_BACKEND_OUTPUT", "name": "OUTPUT0"} | described,
    ]
    assert traces[1].stamps == {}
    assert traces[2].tensors[0]["data"] == '"say \\"x\\"","y,z"'


START = {
    "trace_level": ["OFF"],
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_file": "",
    "trace_mode": "triton",
}


def test_settings_by_http(serve: Serve, tmp_path: Path) -> None:
    """H-11, X-58: a model's own settings shadow the server's, which reach what is not set."""
    file = str(tmp_path / "trace.json")
    server = serve(f"triton,file={file}")
    start = START | {"trace_file": file}
    with http_client.InferenceServerClient(server.http_url) as client:
        assert client.get_trace_settings() == start
        changed = client.update_trace_settings(None, {"trace_rate": "7", "trace_count": "5"})
        assert changed == start | {"trace_rate": "7", "trace_count": "5"}
        own = client.update_trace_settings(
            "identity", {"trace_level": ["TIMESTAMPS", "TENSORS"], "trace_rate": "2"}
        )
        assert own == start | {
            "trace_level": ["TIMESTAMPS", "TENSORS"],
            "trace_rate": "2",
            "trace_count": "5",
        }
        client.update_trace_settings(None, {"trace_count": "9", "trace_rate": "8"})
        own |= {"trace_count": "9"}
        assert client.get_trace_settings("identity") == own
        assert client.get_trace_settings("other")["trace_rate"] == "8"
        cleared = client.update_trace_settings(
            "identity", {"trace_level": None, "trace_rate": None}
        )
        assert cleared == start | {"trace_rate": "8", "trace_count": "9"}
        cleared = client.update_trace_settings(None, {"trace_rate": None, "trace_count": None})
        assert cleared == start


def test_settings_by_grpc(serve: Serve, tmp_path: Path) -> None:
    """G-19."""
    server = serve(f"triton,file={tmp_path / 'trace.json'}")
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        settings = client.update_trace_settings(
            "identity", {"trace_level": "TIMESTAMPS", "trace_rate": "3"}, as_json=True
        )["settings"]
        assert settings["trace_level"] == {"value": ["TIMESTAMPS"]}
        assert settings["trace_rate"] == {"value": ["3"]}
        assert settings["trace_mode"] == {"value": ["triton"]}
        assert client.get_trace_settings(as_json=True)["settings"]["trace_rate"] == {
            "value": ["1000"]
        }
        settings = client.update_trace_settings("identity", {"trace_rate": []}, as_json=True)
        assert settings["settings"]["trace_rate"] == {"value": ["1000"]}


def test_changes_take_effect(serve: Serve, tmp_path: Path) -> None:
    """T-6, T-7: of one model, then of all, then of none."""
    file = tmp_path / "trace.json"
    server = serve(f"triton,file={file}")
    infer(server)
    with http_client.InferenceServerClient(server.http_url) as client:
        client.update_trace_settings("other", {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
        infer(server)
        infer(server, "other")
        assert [t.head["model_name"] for t in wait_for(file, 1).values()] == ["other"]
        client.update_trace_settings(None, {"trace_level": ["TIMESTAMPS"], "trace_rate": "2"})
        for _ in range(4):
            infer(server)
        names = [t.head["model_name"] for t in wait_for(file, 3).values()]
        assert names == ["other", "identity", "identity"]
        client.update_trace_settings("other", {"trace_level": ["OFF"]})
        client.update_trace_settings(None, {"trace_level": ["OFF"]})
        infer(server)
        infer(server, "other")
    assert server.stop() == 0
    assert len(read(file)) == 3


NUMBERS = "trace_rate", "trace_count", "log_frequency"
UPDATES: list[tuple[str, Any, str, str]] = [
    ("trace_file", "/tmp/x", "UNSUPPORTED", "trace file location can not be updated through"),
    ("trace_level", ["OFF", "TIMESTAMPS"], "INVALID_ARG", "Expect only one trace level 'OFF'"),
    *((name, "many", "INVALID_ARG", f"Unable to parse '{name}', got: many") for name in NUMBERS),
    ("trace_rate", "-1", "INVALID_ARG", "value is out of range [ 0, 4294967295 ], got: -1"),
    ("trace_count", "3000000000", "INVALID_ARG", "out of range [ -2147483648, 2147483647 ], got"),
    ("trace_count", "-2", "INVALID_ARG", "Unable to parse 'trace_count'. Expecting value >= -1"),
    ("trace_colour", "1", "INVALID_ARG", "unknown trace setting 'trace_colour'"),
    ("trace_rate", "0", "INVALID_ARG", "trace setting :sample rate must be non-zero"),
]


@pytest.fixture(scope="module")
def traced(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("traced")
    options = [f"--trace-config=triton,file={folder / 'trace'}", "--trace-config=level=TIMESTAMPS"]
    with ServerProcess(repository, folder / "log", *options) as server:
        yield server


@pytest.mark.parametrize(("name", "value", "code", "text"), UPDATES)
def test_bad_settings(traced: ServerProcess, name: str, value: Any, code: str, text: str) -> None:
    """1.12, X-58: nothing is changed."""
    before = traced.request("GET", "/v2/trace/setting").json
    reply = traced.request("POST", "/v2/trace/setting", {"trace_count": "3", name: value})
    assert reply.status == (501 if code == "UNSUPPORTED" else 400)
    assert text in reply.error
    request = service_pb2.TraceSettingRequest()
    request.settings[name].value.extend([value] if isinstance(value, str) else value)
    with (
        grpc_client.InferenceServerClient(traced.grpc_url) as client,
        pytest.raises(grpc.RpcError) as failed,
    ):
        client._client_stub.TraceSetting(request)
    assert text in failed.value.details()
    assert traced.request("GET", "/v2/trace/setting").json == before


def test_unknown_models_and_too_many_values(traced: ServerProcess) -> None:
    reply = traced.request("GET", "/v2/models/nobody/trace/setting")
    assert (reply.status, reply.error) == (400, "Request for unknown model : nobody")
    assert traced.request("GET", "/v2/models/identity/versions/1/trace/setting").status == 404
    request = service_pb2.TraceSettingRequest()
    request.settings["trace_rate"].value.extend(["1", "2"])
    with (
        grpc_client.InferenceServerClient(traced.grpc_url) as client,
        pytest.raises(grpc.RpcError) as failed,
    ):
        client._client_stub.TraceSetting(request)
    assert failed.value.details() == "expect only 1 value for 'trace_rate'"


def test_a_level_without_a_file(serve: Serve) -> None:
    server = serve()
    reply = server.request("POST", "/v2/trace/setting", {"trace_level": ["TIMESTAMPS"]})
    assert reply.status == 400
    expected = "Attempting to set invalid trace setting :trace file name is not given"
    assert reply.error == expected


@pytest.mark.parametrize(
    "setting", ["level=LOUD", "rate=many", "jaeger,url=x", "triton,url=x", "opentelemetry,url=x"]
)
def test_bad_options_end_the_start(repository: Path, tmp_path: Path, setting: str) -> None:
    server = ServerProcess(repository, tmp_path / "log", f"--trace-config={setting}")
    server.start()
    assert server.running.wait(30) == 1
    assert server.log.startswith('Bad option: "--trace-config".') or "trace" in server.log


def test_a_file_that_cannot_be_written(serve: Serve, tmp_path: Path) -> None:
    """Said once; requests do not notice."""
    server = serve("level=TIMESTAMPS", "rate=1", f"triton,file={tmp_path}/none/trace")
    for _ in range(3):
        infer(server)
    assert server.stop() == 0
    assert server.log.count("cannot write traces to") == 1


TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("plane", ["native", "python"])
def test_opentelemetry(serve: Serve, collector: Collector, plane: str) -> None:
    """T-20..T-22: spans of an ensemble in the client's trace; the rate does not matter then."""
    server = serve(
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=0",
        f"opentelemetry,url={collector.url}",
        "opentelemetry,resource=team=blue",
        "opentelemetry,bsp_schedule_delay=50",
        plane=plane,
    )
    infer(server, "identity")  # without a context, and so without a trace
    infer(server, "identity", traceparent="nonsense")
    infer(server, "chain", traceparent=f"00-{TRACE_ID}-{PARENT_ID}-01")
    spans = collector.wait(6)
    assert len(spans) == 6
    assert {span["traceId"] for span in spans} == {TRACE_ID}
    named = defaultdict(list)
    for span in spans:
        named[span["name"]].append(span)
    [root], [chain] = named["InferRequest"], named["chain"]
    assert root["parentSpanId"] == PARENT_ID and root["kind"] == 2
    assert [event["name"] for event in root["events"]] == [n for n in HTTP if "HTTP" in n]
    assert chain["parentSpanId"] == root["spanId"]
    for model in ("slow", "slower"):
        [step] = named[model]
        assert step["parentSpanId"] == chain["spanId"]
        [compute] = [s for s in named["compute"] if s["parentSpanId"] == step["spanId"]]
        assert int(step["startTimeUnixNano"]) <= int(compute["startTimeUnixNano"])
        assert int(compute["endTimeUnixNano"]) <= int(step["endTimeUnixNano"])
        assert compute["events"][0]["name"] == "COMPUTE_START"
    attributes = {a["key"]: a["value"] for a in chain["attributes"]}
    assert attributes["triton.model_name"] == {"stringValue": "chain"}
    assert attributes["triton.request_id"] == {"stringValue": "req"}
    now = time.time_ns()
    assert now - 60e9 < int(root["startTimeUnixNano"]) < now
    resource = {a["key"]: a["value"]["stringValue"] for a in collector.resources[0]["attributes"]}
    assert resource == {"service.name": "triton-inference-server", "team": "blue"}
    settings = server.request("GET", "/v2/trace/setting").json
    assert settings["trace_mode"] == "opentelemetry" and settings["url"] == collector.url
    assert "trace_file" not in settings and "log_frequency" not in settings


def test_opentelemetry_by_grpc(serve: Serve, collector: Collector) -> None:
    """T-22: metadata; and sampling by rate."""
    server = serve(
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=2",
        f"opentelemetry,url={collector.url}",
        "opentelemetry,bsp_schedule_delay=50",
    )
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        tensor = grpc_client.InferInput("INPUT0", [2], "FP32")
        tensor.set_data_from_numpy(np.zeros(2, np.float32))
        headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
        client.infer("identity", [tensor], headers=headers)
        spans = collector.wait(3)
        assert {span["traceId"] for span in spans} == {TRACE_ID}
        client.infer("identity", [tensor])
        client.infer("identity", [tensor])
    fresh = collector.wait(6)[3:]
    assert len({span["traceId"] for span in fresh}) == 1
    assert fresh[0]["traceId"] != TRACE_ID and "parentSpanId" not in fresh[0]


def test_a_collector_that_is_not_there(serve: Serve) -> None:
    """Requests do not notice, and the server ends in time."""
    server = serve(
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=1",
        "opentelemetry,url=http://127.0.0.1:9/v1/traces",
        "opentelemetry,bsp_schedule_delay=20",
    )
    for _ in range(3):
        infer(server)
    assert server.stop() == 0
    assert "cannot export traces to" in server.log
