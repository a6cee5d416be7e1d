# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""--model-memory-budget: models are loaded for the request that asks for them, and make room."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from server_process import Reply, ServerProcess
from tritonclient.utils import InferenceServerException

MIB = 1 << 20
BALLAST_MIB = 80
#: Two of the models fit, with the memory of their processes, three do not.
BUDGET = 260 * MIB
#: The value of a request that makes `held`, beside the repository, and waits for `release`.
HELD = 3000

_CONFIG = """
backend: "python" max_batch_size: 4
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
"""
_CODE = """
import os
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        {initialize}
        self.ballast = np.ones({ballast} << 20, np.uint8)

    def execute(self, requests):
        answers = []
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            if int(values.flat[0]) == {held}:
                open({folder!r} + "/held", "w").close()
                while not os.path.exists({folder!r} + "/release"):
                    time.sleep(0.02)
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", values)]))
        return answers
"""
_MAP = '{ key: "%s" value: "%s" }'


def write_model(
    root: Path, name: str, *, initialize: str = "pass", ballast: int = BALLAST_MIB
) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(_CONFIG)
    folder = str(root.parent)
    code = _CODE.format(initialize=initialize, ballast=ballast, held=HELD, folder=folder)
    (root / name / "1" / "model.py").write_text(code)


def write_ensemble(root: Path, name: str, model: str) -> None:
    (root / name / "1").mkdir(parents=True)
    step = f'model_name: "{model}" model_version: -1'
    maps = f"input_map {_MAP % ('IN', 'IN')} output_map {_MAP % ('OUT', 'OUT')}"
    config = _CONFIG.replace('backend: "python"', 'platform: "ensemble"')
    (root / name / "config.pbtxt").write_text(
        f"{config} ensemble_scheduling {{ step {{ {step} {maps} }} }}"
    )


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    with ExitStack() as servers:

        def start(*options: str) -> ServerProcess:
            budget = f"--model-memory-budget={BUDGET}"
            server = ServerProcess(tmp_path / "models", tmp_path / "log", budget, *options)
            return servers.enter_context(server)

        root = tmp_path / "models"
        for name in ("a", "b", "c"):
            write_model(root, name)
        yield start


def infer(server: ServerProcess, model: str, value: int = 0, **headers: str) -> Reply:
    tensor = {"name": "IN", "shape": [1, 1], "datatype": "INT32", "data": [value]}
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]}, named)


def answered(reply: Reply, value: int = 0) -> bool:
    assert reply.status == 200, reply.body
    return bool(reply.json["outputs"][0]["data"] == [value])


def index(server: ServerProcess) -> dict[str, tuple[str, str]]:
    entries = server.request("POST", "/v2/repository/index", {}).json
    return {e["name"]: (e.get("state", ""), e.get("reason", "")) for e in entries}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def grpc_input(value: int) -> list[Any]:
    tensor = grpc_client.InferInput("IN", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.array([[value]], np.int32))
    return [tensor]


EVICTED = ("UNAVAILABLE", "evicted: memory budget")
READY = ("READY", "")


@pytest.mark.parametrize("plane", ["native", "python"])
def test_a_request_loads_its_model_and_the_least_used_makes_room(
    serve: Callable[..., ServerProcess], plane: str
) -> None:
    server = serve(f"--data-plane={plane}")
    assert index(server) == dict.fromkeys("abc", ("", ""))
    assert server.request("GET", "/v2/models/a/ready").status in (400, 404)
    assert answered(infer(server, "a", 1), 1)
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        result = client.infer("b", grpc_input(2))
        assert result.as_numpy("OUT").tolist() == [[2]]
        assert [index(server)[name] for name in "ab"] == [READY, READY]
        assert answered(infer(server, "a"))  # b was used longer ago now
        assert client.get_model_metadata("c").name == "c"  # loads it, too
        wait_for(lambda: index(server)["b"] == EVICTED)
        assert [index(server)[name] for name in "ac"] == [READY, READY]
        assert server.request("GET", "/v2/health/ready").status == 200
        answers: queue.Queue[Any] = queue.Queue()
        client.start_stream(lambda result, error: answers.put(error or result.as_numpy("OUT")))
        for value in (3, 4):
            client.async_stream_infer("b", grpc_input(value))
        assert [answers.get(timeout=30).tolist() for _ in range(2)] == [[[3]], [[4]]]
        client.stop_stream()
    wait_for(lambda: index(server)["a"] == EVICTED)


def test_requests_never_notice(serve: Callable[..., ServerProcess]) -> None:
    """Three models take turns where two fit: slow, but nobody fails."""
    server = serve()

    def client(number: int) -> list[int]:
        return [infer(server, "abc"[(number + turn) % 3]).status for turn in range(4)]

    with ThreadPoolExecutor(4) as clients:
        statuses = [status for some in clients.map(client, range(4)) for status in some]
    assert statuses == [200] * 16
    assert sum(state == "READY" for state, _ in index(server).values()) <= 2


def test_a_model_with_requests_stays(serve: Callable[..., ServerProcess], tmp_path: Path) -> None:
    server = serve()
    assert answered(infer(server, "a"))
    assert answered(infer(server, "b"))
    with ThreadPoolExecutor(1) as client:
        busy = client.submit(infer, server, "a", HELD)
        try:
            wait_for((tmp_path / "held").exists)
            assert answered(infer(server, "c"))
            assert index(server)["a"] == READY  # though b was used later
            assert not busy.done()
        finally:
            (tmp_path / "release").touch()
        assert answered(busy.result(30), HELD)
    wait_for(lambda: index(server)["b"] == EVICTED)


def test_what_is_loaded_by_name_stays_and_what_is_unloaded_by_name_is_gone(
    serve: Callable[..., ServerProcess],
) -> None:
    server = serve("--model-control-mode=explicit", "--load-model=a")
    assert index(server)["a"] == READY
    for name in ("b", "c"):
        assert answered(infer(server, name))
    wait_for(lambda: index(server)["b"] == EVICTED)
    assert index(server)["a"] == READY
    assert server.request("POST", "/v2/repository/models/a/unload").status == 200
    wait_for(lambda: index(server)["a"] == ("UNAVAILABLE", "unloaded"))
    assert infer(server, "a").status in (400, 404)
    assert server.request("POST", "/v2/repository/models/a/load").status == 200
    assert answered(infer(server, "a"))


def test_an_ensemble_brings_its_models(serve: Callable[..., ServerProcess], tmp_path: Path) -> None:
    write_ensemble(tmp_path / "models", "chain", "a")
    server = serve()
    assert answered(infer(server, "chain", 5), 5)
    assert [index(server)[name] for name in ("chain", "a")] == [READY, READY]
    for name in ("b", "c"):
        assert answered(infer(server, name))
    wait_for(lambda: index(server)["a"] == EVICTED and index(server)["chain"] == EVICTED)
    assert answered(infer(server, "chain", 6), 6)


@pytest.mark.parametrize("plane", ["native", "python"])
def test_a_model_that_cannot_be_loaded_is_told(
    serve: Callable[..., ServerProcess], tmp_path: Path, plane: str
) -> None:
    write_model(tmp_path / "models", "bad", initialize="raise RuntimeError('no such weights')")
    write_model(tmp_path / "models", "huge", ballast=BUDGET // MIB)
    (tmp_path / "models" / "huge" / "1" / "weights").write_bytes(b"")
    with (tmp_path / "models" / "huge" / "1" / "weights").open("wb") as weights:
        weights.truncate(BUDGET + 1)
    server = serve(f"--data-plane={plane}")
    for _ in range(2):  # the second time it is known
        reply = infer(server, "bad")
        assert reply.status == 503 and "no such weights" in reply.error
    assert index(server)["bad"][0] == "UNAVAILABLE"
    assert server.log.count("no such weights") > 0
    assert server.log.count("loading: bad:1") == 1
    reply = infer(server, "huge")
    assert reply.status == 503 and "--model-memory-budget" in reply.error
    assert infer(server, "nobody").status == 400
    assert server.request("GET", "/v2/health/ready").status == 200


def test_a_deadline_ends_the_wait(serve: Callable[..., ServerProcess], tmp_path: Path) -> None:
    write_model(tmp_path / "models", "late", initialize="time.sleep(2)")
    server = serve()
    began = time.monotonic()
    assert infer(server, "late", Penstock_Deadline_Ms="200").status == 504
    assert time.monotonic() - began < 1.5
    late = pytest.raises(InferenceServerException, match="DEADLINE")
    with grpc_client.InferenceServerClient(server.grpc_url) as client, late:
        client.infer("late", grpc_input(1), client_timeout=0.2)
    assert answered(infer(server, "late"))


def test_a_stop_ends_the_wait(serve: Callable[..., ServerProcess], tmp_path: Path) -> None:
    write_model(tmp_path / "models", "late", initialize="time.sleep(3)")
    server = serve()
    replies: list[Reply] = []
    client = threading.Thread(target=lambda: replies.append(infer(server, "late")))
    client.start()
    wait_for(lambda: "loading: late:1" in server.log)
    server.running.send_signal(signal.SIGTERM)
    client.join(30)
    assert replies[0].status == 503
    assert server.running.wait(30) == 0


@pytest.mark.parametrize("options", [("--model-control-mode=poll",), ("--model-namespacing=true",)])
def test_what_cannot_be_combined_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "models").mkdir()
    server = ServerProcess(
        tmp_path / "models", tmp_path / "log", f"--model-memory-budget={BUDGET}", *options
    )
    server.start()
    assert server.running.wait(20) == 1
    assert "--model-memory-budget cannot be used with" in server.log
    assert json.dumps(options[0]).strip('"') in server.log


_REPEAT = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            count = int(pb_utils.get_input_tensor_by_name(request, "IN").as_numpy().flat[0])
            for number in range(count):
                out = pb_utils.Tensor("OUT", np.array([[number]], np.int32))
                sender.send(pb_utils.InferenceResponse([out]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


@pytest.mark.parametrize("plane", ["native", "python"])
def test_a_decoupled_model_comes_amid_a_stream(
    serve: Callable[..., ServerProcess], tmp_path: Path, plane: str
) -> None:
    root = tmp_path / "models"
    write_model(root, "repeat")
    config = root / "repeat" / "config.pbtxt"
    config.write_text(f"{_CONFIG} model_transaction_policy {{ decoupled: true }}")
    (root / "repeat" / "1" / "model.py").write_text(_REPEAT)
    server = serve(f"--data-plane={plane}")
    answers: queue.Queue[Any] = queue.Queue()
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        client.start_stream(lambda result, error: answers.put((error, result)))
        for model, value in (("a", 7), ("repeat", 3), ("a", 8)):
            client.async_stream_infer(model, grpc_input(value))
        came = [answers.get(timeout=30) for _ in range(5)]
        client.stop_stream()
    assert [error for error, _ in came if error is not None] == []
    values = [
        (result.get_response().model_name, int(result.as_numpy("OUT").flat[0]))
        for _, result in came
    ]
    assert [value for model, value in values if model == "repeat"] == [0, 1, 2]
    assert [value for model, value in values if model == "a"] == [7, 8]
