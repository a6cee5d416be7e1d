# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a model says by `is_ready()` (contract 5.1, X-63) is what both ready endpoints say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tritonclient.grpc as grpc_client
from server_process import ServerProcess

TIMEOUT_S = 20.0
MODES = ["process", "in_process"]
_MODEL = """\
from pathlib import Path
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.says = Path(args["model_repository"]) / "says"

    {define} is_ready(self):
        said = self.says.read_text()
        if said == "raise":
            raise RuntimeError("no weights")
        return {{"yes": True, "no": False}}.get(said, said)

    def execute(self, requests):
        return [pb_utils.InferenceResponse(r.inputs()) for r in requests]
"""
_CONFIG = """
backend: "python"
input [ {{ name: "X" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "X" data_type: TYPE_INT32 dims: [ 1 ] }} ]
parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for mode in MODES:
        folder = root / mode / "1"
        folder.mkdir(parents=True)
        define = "async def" if mode == "process" else "def"
        (folder / "model.py").write_text(_MODEL.format(define=define))
        (folder.parent / "config.pbtxt").write_text(_CONFIG.format(mode=mode))
        (folder.parent / "says").write_text("yes")
    return root


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log") as started:
        yield started


def ready(server: ServerProcess, model: str) -> bool:
    """What all say, as soon as they agree."""
    give_up = time.monotonic() + TIMEOUT_S
    with grpc_client.InferenceServerClient(f"localhost:{server.grpc_port}") as client:
        while True:
            said = {
                server.request("GET", f"/v2/models/{model}/ready").status == 200,
                client.is_model_ready(model),
                server.request("GET", "/v2/health/ready").status == 200,
                client.is_server_ready(),
            }
            if len(said) == 1:
                return said.pop()
            assert time.monotonic() < give_up, server.log


def wait_until(server: ServerProcess, model: str, wanted: bool) -> None:
    give_up = time.monotonic() + TIMEOUT_S
    while ready(server, model) != wanted:
        assert time.monotonic() < give_up, server.log


@pytest.mark.parametrize("model", MODES)
@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("no", "is False"),
        ("raise", "RuntimeError: no weights"),
        ("maybe", "is_ready() must return a boolean value, found <class 'str'>"),
    ],
)
def test_a_model_that_is_not_ready(
    server: ServerProcess, root: Path, model: str, says: str, why: str
) -> None:
    wait_until(server, model, True)
    (root / model / "says").write_text(says)
    wait_until(server, model, False)
    [entry] = [e for e in server.request("POST", "/v2/repository/index").json if e["name"] == model]
    assert entry["state"] == "UNAVAILABLE"
    assert f"is_ready() of instance '{model}_0" in entry["reason"] and why in entry["reason"]
    # It serves all the same, as in Triton: readiness is for those who send requests.
    tensor = {"name": "X", "shape": [1], "datatype": "INT32", "data": [7]}
    assert server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]}).status == 200
    (root / model / "says").write_text("yes")
    wait_until(server, model, True)
