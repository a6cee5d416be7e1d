# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""End-to-end deadlines over both data planes: `Penstock-Deadline-Ms`, `deadline_ms`, admission.

What is late never runs and is told so (504, DEADLINE_EXCEEDED); what cannot be in time is refused
when it comes (503, UNAVAILABLE) with the time after which it may be tried again.
"""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from server_process import Reply, ServerProcess
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

#: Sleeps for X seconds; Y is X.
_SLEEPER = """
import time

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "X")
            time.sleep(float(x.as_numpy().flat[0]))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("Y", x.as_numpy())]))
        return responses
"""

#: Works until nobody waits any more, for at most X seconds. Y: [gave up, timeout() at the start].
_PATIENT = """
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        (request,) = requests
        x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy().flat[0]
        timeout = request.timeout()
        end = time.monotonic() + float(x)
        while not request.is_cancelled() and time.monotonic() < end:
            time.sleep(0.002)
        found = np.array([[request.is_cancelled(), timeout]], np.float32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", found)])]
"""

_TENSORS = (
    'input { name: "X" data_type: TYPE_FP32 dims: [-1] }'
    'output { name: "Y" data_type: TYPE_FP32 dims: [-1] }'
)
_EXPIRED = "the deadline expired before the request was executed"
_UNKNOWN = "[request id: <id_unknown>] "
_REFUSED = re.compile(
    r"\[request id: <id_unknown>\] the deadline cannot be met: the expected wait is (\d+) ms, the "
    r"execution takes (\d+) ms, and (\d+) ms are left"
)
_SLOW_S = 0.3


def write_python(root: Path, name: str, source: str) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(source)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: 1 {_TENSORS}'
    )


def write_repository(root: Path) -> None:
    for name in ("sleeper", "first", "second"):
        write_python(root, name, _SLEEPER)
    write_python(root, "patient", _PATIENT)
    (root / "slow" / "1").mkdir(parents=True)
    (root / "slow" / "config.pbtxt").write_text(
        'name: "slow" backend: "identity" max_batch_size: 1 '
        'input { name: "INPUT0" data_type: TYPE_FP32 dims: [-1] }'
        'output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [-1] }'
        'parameters { key: "execute_delay_ms" value { string_value: "300" } }'
    )
    (root / "chain" / "1").mkdir(parents=True)
    steps = "".join(
        f'step {{ model_name: "{name}" model_version: -1 input_map {{ key: "X" value: "{source}" }}'
        f'output_map {{ key: "Y" value: "{target}" }} }}'
        for name, source, target in (("first", "X", "MID"), ("second", "MID", "Y"))
    )
    (root / "chain" / "config.pbtxt").write_text(
        f'name: "chain" platform: "ensemble" max_batch_size: 1 {_TENSORS}'
        f"ensemble_scheduling {{ {steps} }}"
    )


@pytest.fixture(scope="module", params=["native", "python"])
def busy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("late_models")
    write_repository(root)
    log = tmp_path_factory.mktemp("log") / "log"
    with ServerProcess(
        root, log, "--debug-endpoints=true", f"--data-plane={request.param}"
    ) as server:
        yield server


def infer(server: ServerProcess, model: str, value: float, **parts: Any) -> Reply:
    """Over HTTP. `headers`, or `deadline_ms` as a parameter."""
    name = "INPUT0" if model == "slow" else "X"
    body: dict[str, Any] = {
        "inputs": [{"name": name, "datatype": "FP32", "shape": [1, 1], "data": [value]}]
    }
    if "deadline_ms" in parts:
        body["parameters"] = {"deadline_ms": parts["deadline_ms"]}
    return server.request("POST", f"/v2/models/{model}/infer", body, parts.get("headers"))


def grpc_inputs(model: str, value: float) -> list[triton_grpc.InferInput]:
    x = triton_grpc.InferInput("INPUT0" if model == "slow" else "X", [1, 1], "FP32")
    x.set_data_from_numpy(np.array([[value]], np.float32))
    return [x]


def grpc_infer(server: ServerProcess, model: str, deadline_ms: int) -> None:
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        client.infer(model, grpc_inputs(model, 0), parameters={"deadline_ms": deadline_ms})


def metric(server: ServerProcess, name: str, model: str, extra: str = "") -> float:
    return server.metrics()[f'{name}{{model="{model}"{extra},version="1"}}']


def rejected(server: ServerProcess, model: str) -> float:
    return metric(server, "nv_inference_request_failure", model, ',reason="REJECTED"')


def executions(server: ServerProcess, model: str) -> float:
    return metric(server, "nv_inference_exec_count", model)


def in_flight(server: ServerProcess) -> int:
    ledger = server.request("GET", "/debug/ledger", port=server.metrics_port).json
    count: int = ledger["engine"]["requests_in_flight"]
    return count


def pending(server: ServerProcess, model: str) -> float:
    return metric(server, "nv_inference_pending_request_count", model)


def calm(server: ServerProcess) -> None:
    """Executions took no time lately, so whatever comes is let in."""
    for _ in range(60):
        assert infer(server, "sleeper", 0).status == 200


@contextmanager
def occupied(server: ServerProcess, model: str, *seconds: float) -> Iterator[Sequence[Future[Any]]]:
    """While one request runs, and the others wait behind it."""
    with ThreadPoolExecutor(len(seconds)) as threads:
        before = in_flight(server)
        running = [threads.submit(infer, server, model, value) for value in seconds]
        while (
            in_flight(server) - before < len(seconds) or pending(server, model) != len(seconds) - 1
        ):
            assert not any(call.done() for call in running), "over too early"
        yield running
        assert {call.result().status for call in running} == {200}


def test_expired_in_the_queue(busy: ServerProcess) -> None:
    calm(busy)
    before, counted = executions(busy, "sleeper"), rejected(busy, "sleeper")
    with occupied(busy, "sleeper", 1.0):
        started = time.monotonic()
        reply = infer(busy, "sleeper", 0, headers={"Penstock-Deadline-Ms": "100"})
        spent = time.monotonic() - started
        assert (reply.status, reply.error) == (504, _UNKNOWN + _EXPIRED)
        assert 0.09 <= spent < 0.9
        reply = infer(busy, "sleeper", 0, deadline_ms=50)
        assert (reply.status, reply.error) == (504, _UNKNOWN + _EXPIRED)
        with pytest.raises(InferenceServerException) as caught:
            grpc_infer(busy, "sleeper", 50)
        assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
        assert caught.value.message() == _UNKNOWN + _EXPIRED
    assert executions(busy, "sleeper") == before + 1
    assert rejected(busy, "sleeper") == counted + 3


def test_the_earlier_deadline_holds(busy: ServerProcess) -> None:
    calm(busy)
    with occupied(busy, "sleeper", 0.8):
        for header, parameter in (("60", 10_000), ("10000", 60)):
            started = time.monotonic()
            reply = infer(
                busy,
                "sleeper",
                0,
                headers={"Penstock-Deadline-Ms": header},
                deadline_ms=parameter,
            )
            assert reply.status == 504
            assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("parts", [{"headers": {"Penstock-Deadline-Ms": "0"}}, {"deadline_ms": 0}])
def test_too_late_when_it_comes(busy: ServerProcess, parts: dict[str, Any]) -> None:
    name = "penstock_inference_deadline_refusals"
    before = metric(busy, name, "sleeper")
    reply = infer(busy, "sleeper", 0, **parts)
    assert (reply.status, reply.error) == (504, _UNKNOWN + _EXPIRED)
    assert metric(busy, name, "sleeper") == before + 1


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "1s", "99999999999999999999"])
def test_a_header_that_is_no_number(busy: ServerProcess, value: str) -> None:
    reply = infer(busy, "sleeper", 0, headers={"Penstock-Deadline-Ms": value})
    assert reply.status == 400
    assert reply.error == (
        "Unable to parse Penstock-Deadline-Ms, expected a whole number of milliseconds, got: "
        + value
    )


def test_a_parameter_that_is_no_number(busy: ServerProcess) -> None:
    reply = infer(busy, "sleeper", 0, deadline_ms="soon")
    assert reply.status == 400
    assert reply.error.startswith("Unable to parse 'deadline_ms': ")
    with pytest.raises(InferenceServerException, match="'deadline_ms', expected value >= 0"):
        grpc_infer(busy, "sleeper", -1)


def test_time_enough(busy: ServerProcess) -> None:
    headers = {"Penstock-Deadline-Ms": "60000"}
    assert infer(busy, "sleeper", 0.01, headers=headers, deadline_ms=60_000).status == 200
    x = triton_http.InferInput("X", [1, 1], "FP32")
    x.set_data_from_numpy(np.zeros((1, 1), np.float32))
    with triton_http.InferenceServerClient(busy.http_url) as client:
        answer = client.infer("sleeper", [x], headers=headers, parameters={"deadline_ms": 60_000})
    assert answer.as_numpy("Y").tolist() == [[0]]


def refused(message: str) -> tuple[int, int, int]:
    match = _REFUSED.fullmatch(message)
    assert match, message
    wait, service, left = map(int, match.groups())
    return wait, service, left


def test_admission(busy: ServerProcess) -> None:
    """Three wait and one runs, 300 ms each: who has 500 ms is told so at once."""
    assert infer(busy, "slow", 0).status == 200
    name = "penstock_inference_deadline_refusals"
    before = metric(busy, name, "slow")
    with occupied(busy, "slow", 0, 0, 0, 0):
        started = time.monotonic()
        reply = infer(busy, "slow", 0, headers={"Penstock-Deadline-Ms": "500"})
        assert time.monotonic() - started < _SLOW_S
        assert reply.status == 503
        wait, service, left = refused(reply.error)
        assert wait + service > left and 300 <= service < 600 and left <= 500
        late_s = (wait + service - left) / 1000
        assert 0 <= int(reply.headers["retry-after"]) - late_s <= 1.01
        stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(busy.grpc_url))
        message = service_pb2.ModelInferRequest(model_name="slow")
        message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 1])
        message.raw_input_contents.append(bytes(4))
        message.parameters["deadline_ms"].int64_param = 400
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(message, timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        wait, service, left = refused(caught.value.details())
        trailers = dict(caught.value.trailing_metadata())
        assert abs(int(trailers["grpc-retry-pushback-ms"]) - (wait + service - left)) <= 2
        # A deadline of gRPC's own is the same thing, and told before it is over.
        del message.parameters["deadline_ms"]
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(message, timeout=0.35)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        refused(caught.value.details())
        assert infer(busy, "slow", 0, deadline_ms=20_000).status == 200
    assert metric(busy, name, "slow") == before + 3


def test_an_idle_model_takes_whatever_comes(busy: ServerProcess) -> None:
    assert infer(busy, "slow", 0).status == 200
    assert infer(busy, "slow", 0, deadline_ms=100).status == 200  # it takes 300, and begins at once


def test_on_a_stream(busy: ServerProcess) -> None:  # G-25
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton_grpc.InferenceServerClient(busy.grpc_url) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for deadline_ms in (0, 60_000):
            client.async_stream_infer(
                "sleeper", grpc_inputs("sleeper", 0), parameters={"deadline_ms": deadline_ms}
            )
        _, error = answers.get(timeout=20)
        assert error.message() == _UNKNOWN + _EXPIRED
        result, error = answers.get(timeout=20)
        assert error is None and result.as_numpy("Y").tolist() == [[0]]
        client.stop_stream()


def test_a_running_model_can_ask(busy: ServerProcess) -> None:
    """After the deadline request.is_cancelled() is true; request.timeout() tells what is left."""
    started = time.monotonic()
    reply = infer(busy, "patient", 15, deadline_ms=200)
    assert time.monotonic() - started < 10
    gave_up, timeout = reply.json["outputs"][0]["data"]
    assert gave_up == 1 and 0 < timeout <= 200_000
    gave_up, timeout = infer(busy, "patient", 0).json["outputs"][0]["data"]
    assert (gave_up, timeout) == (0, 0)


def test_the_steps_of_an_ensemble_have_what_is_left(busy: ServerProcess) -> None:
    before = executions(busy, "second")
    reply = infer(busy, "chain", 0.3, deadline_ms=150)
    assert reply.status == 504
    assert reply.error == f"in ensemble 'chain', {_UNKNOWN}{_EXPIRED}"
    assert executions(busy, "second") == before
    assert infer(busy, "chain", 0.01, deadline_ms=20_000).status == 200
    assert executions(busy, "second") == before + 1
