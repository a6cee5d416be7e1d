# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tasks that `async def execute` leaves behind go on when it is over, as in Triton (5.1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

TIMEOUT_S = 20.0
MODES = ["process", "in_process"]
_MODEL = """\
import asyncio

import numpy as np
import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    def initialize(self, args):
        self.tasks = set()

    async def execute(self, requests):
        return [self.begin(request) for request in requests]

    def begin(self, request):
        what = request.request_id()
        if what == "exit":
            raise SystemExit(3)
        if what == "now":
            return self.response(1)
        task = asyncio.create_task(self.later(what, request.get_response_sender()))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def later(self, what, sender):
        await asyncio.sleep(0.05)
        if what == "late exit":
            raise SystemExit(4)
        sender.send(self.response(2), flags=FINAL)

    def response(self, value):
        return pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.array([value], np.int32))])
"""
_CONFIG = """
backend: "python"
input [ {{ name: "X" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }} ]
parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("models")
    for mode in MODES:
        (root / mode / "1").mkdir(parents=True)
        (root / mode / "1" / "model.py").write_text(_MODEL)
        (root / mode / "config.pbtxt").write_text(_CONFIG.format(mode=mode))
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log") as started:
        yield started


@pytest.fixture
def client(server: ServerProcess) -> Iterator[grpc_client.InferenceServerClient]:
    with grpc_client.InferenceServerClient(server.grpc_url) as made:
        yield made


def _ask(client: grpc_client.InferenceServerClient, model: str, what: str) -> int:
    tensor = grpc_client.InferInput("X", [1], "INT32")
    tensor.set_data_from_numpy(np.ones(1, np.int32))
    answer = client.infer(model, [tensor], request_id=what, client_timeout=TIMEOUT_S)
    return int(answer.as_numpy("Y").item())


@pytest.mark.parametrize("mode", MODES)
def test_they_answer_without_another_execute(
    client: grpc_client.InferenceServerClient, mode: str
) -> None:
    """The first one, of an instance that has left none before, and the following ones."""
    for _ in range(3):
        assert _ask(client, mode, "late") == 2
        assert _ask(client, mode, "now") == 1


@pytest.mark.parametrize("mode", MODES)
def test_one_that_exits_ends_its_own_request_only(
    client: grpc_client.InferenceServerClient, mode: str
) -> None:
    assert _ask(client, mode, "late") == 2
    for what, why in (
        ("exit", "SystemExit: 3"),
        ("late exit", "the response sender was dropped without sending a response"),
    ):
        with pytest.raises(InferenceServerException, match=why) as failed:
            _ask(client, mode, what)
        assert failed.value.status() == "StatusCode.INTERNAL"
        assert _ask(client, mode, "late") == 2
        assert _ask(client, mode, "now") == 1
