# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Response senders of a model that is not decoupled, used when `execute` is over (contract 5.1)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

TIMEOUT_S = 20.0
MODES = ["process", "in_process"]
_MODEL = """\
import os
import threading
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

WANTED = 2


class TritonPythonModel:
    def initialize(self, args):
        self.open = []
        self.notes = Path(args["model_repository"])

    def execute(self, requests):
        answers = []
        for request in requests:
            what = request.request_id()
            if what == "now":
                answers.append(self.response(1))
                continue
            answers.append(None)
            sender = request.get_response_sender()
            if what == "drop":
                threading.Timer(0.1, lambda kept: None, [sender]).start()
            elif what == "wait":
                threading.Thread(target=self.until_cancelled, args=[request, sender]).start()
            elif what == "fail":
                error = pb_utils.TritonError("no day", pb_utils.TritonError.NOT_FOUND)
                failed = pb_utils.InferenceResponse(error=error)
                threading.Timer(0.1, self.send, [sender, failed]).start()
            elif what == "thread":
                (self.notes / "begun").touch()
                threading.Timer(0.1, self.send, [sender, self.response(os.getpid())]).start()
            else:
                self.open.append(sender)
            del sender
        if len(self.open) == WANTED:
            for sender in self.open:
                self.send(sender, self.response(WANTED))
            self.open = []
        (self.notes / "open").write_text(str(len(self.open)))
        del requests, request
        return answers

    def response(self, value):
        return pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.array([[value]], np.int32))])

    def send(self, sender, response):
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        try:
            sender.send(response)
        except pb_utils.TritonModelException as error:
            (self.notes / "second").write_text(str(error))

    def until_cancelled(self, request, sender):
        (self.notes / "waits").touch()
        while not sender.is_cancelled() or not request.is_cancelled():
            threading.Event().wait(0.01)
        (self.notes / "cancelled").touch()
        self.send(sender, self.response(0))
"""
_CONFIG = """
backend: "python"
max_batch_size: 8
input [ {{ name: "X" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }} ]
dynamic_batching {{ max_queue_delay_microseconds: {delay} preserve_ordering: {order} }}
parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for mode in MODES:
        for name, delay, order in ((mode, 0, "false"), (f"{mode}_ordered", 0, "true")):
            (root / name / "1").mkdir(parents=True)
            (root / name / "1" / "model.py").write_text(_MODEL)
            text = _CONFIG.format(mode=mode, delay=delay, order=order)
            (root / name / "config.pbtxt").write_text(text)
    return root


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = ["--model-control-mode=explicit", "--load-model=*"]
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log", *options) as started:
        yield started


@pytest.fixture
def client(server: ServerProcess) -> Iterator[grpc_client.InferenceServerClient]:
    with grpc_client.InferenceServerClient(server.grpc_url) as made:
        yield made


def _inputs() -> list[grpc_client.InferInput]:
    tensor = grpc_client.InferInput("X", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.ones((1, 1), np.int32))
    return [tensor]


def _ask(client: grpc_client.InferenceServerClient, model: str, what: str) -> int:
    answer = client.infer(model, _inputs(), request_id=what, client_timeout=TIMEOUT_S)
    assert answer.get_response().id == what
    return int(answer.as_numpy("Y").item())


def _wait_for(path: Path, text: str | None = None) -> None:
    until = time.monotonic() + TIMEOUT_S
    while not path.exists() or (text is not None and path.read_text() != text):
        assert time.monotonic() < until, f"{path} is not there"
        time.sleep(0.01)


@pytest.mark.parametrize("mode", MODES)
def test_requests_of_several_executions_are_answered_together(
    client: grpc_client.InferenceServerClient, root: Path, mode: str
) -> None:
    """The first one's `execute` is over; the model serves others until the second one comes."""
    with ThreadPoolExecutor(1) as pool:
        for _ in range(20):
            first = pool.submit(_ask, client, mode, "")
            _wait_for(root / mode / "open", "1")
            assert _ask(client, mode, "now") == 1
            assert not first.done()
            assert _ask(client, mode, "") == 2
            assert first.result(TIMEOUT_S) == 2


@pytest.mark.parametrize("mode", MODES)
def test_a_thread_answers(client: grpc_client.InferenceServerClient, root: Path, mode: str) -> None:
    """Many at a time; the statistics count each once, and a second response is refused."""

    def successes() -> int:
        line = client.get_inference_statistics(mode).model_stats[0]
        assert line.inference_stats.success.count == line.inference_count
        return int(line.inference_count)

    before = successes()
    with ThreadPoolExecutor(32) as pool:
        asked = [pool.submit(_ask, client, mode, "thread") for _ in range(64)]
        assert len({future.result(TIMEOUT_S) for future in asked}) == 1
    assert successes() == before + 64
    _wait_for(root / mode / "second")
    assert "Response sender has been closed" in (root / mode / "second").read_text()


@pytest.mark.parametrize("mode", MODES)
def test_a_late_failure(client: grpc_client.InferenceServerClient, mode: str) -> None:
    """A TritonError is the answer; so is that the model has dropped its sender."""
    with pytest.raises(InferenceServerException, match="no day") as failed:
        _ask(client, mode, "fail")
    assert failed.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException, match="dropped without sending a response"):
        _ask(client, mode, "drop")
    assert _ask(client, mode, "now") == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_late_sender_sees_that_its_client_has_gone(
    client: grpc_client.InferenceServerClient, root: Path, mode: str
) -> None:
    """Also while other requests are executed in what was its place."""
    for name in ("waits", "cancelled"):
        (root / mode / name).unlink(missing_ok=True)
    ended = threading.Event()
    call = client.async_infer(mode, _inputs(), lambda result, error: ended.set(), request_id="wait")
    _wait_for(root / mode / "waits")
    for _ in range(5):
        assert _ask(client, mode, "now") == 1
    assert not (root / mode / "cancelled").exists()
    call.cancel()
    assert ended.wait(TIMEOUT_S)
    _wait_for(root / mode / "cancelled")
    assert _ask(client, mode, "now") == 1


@pytest.mark.parametrize("mode", MODES)
def test_order_is_preserved(
    client: grpc_client.InferenceServerClient, root: Path, mode: str
) -> None:
    """S-6: a later answer that is there waits for the late one."""
    model = f"{mode}_ordered"
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(_ask, client, model, "")
        _wait_for(root / model / "open", "1")
        held = pool.submit(_ask, client, model, "now")
        with pytest.raises(TimeoutError):
            held.result(0.3)
        assert _ask(client, model, "") == 2
        assert first.result(TIMEOUT_S) == 2
        assert held.result(TIMEOUT_S) == 1


def test_a_process_that_ends_fails_what_it_had_not_answered(
    client: grpc_client.InferenceServerClient, root: Path
) -> None:
    """The next process serves, with the same places."""
    with ThreadPoolExecutor(1) as pool:
        pid = _ask(client, "process", "thread")
        first = pool.submit(_ask, client, "process", "")
        _wait_for(root / "process" / "open", "1")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(InferenceServerException, match="its worker process ended") as failed:
            first.result(TIMEOUT_S)
        assert failed.value.status() == "StatusCode.UNAVAILABLE"
    assert _ask(client, "process", "thread") != pid


@pytest.mark.parametrize("mode", MODES)
def test_an_unload_waits_for_late_answers(
    client: grpc_client.InferenceServerClient, root: Path, mode: str
) -> None:
    """As for every request that was taken (R-18)."""
    with ThreadPoolExecutor(1) as pool:
        (root / mode / "begun").unlink(missing_ok=True)
        late = pool.submit(_ask, client, mode, "thread")
        _wait_for(root / mode / "begun")
        client.unload_model(mode)
        assert late.result(TIMEOUT_S) > 0
    client.load_model(mode)
    assert _ask(client, mode, "now") == 1
