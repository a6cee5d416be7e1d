# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What becomes of a request on its way through an ensemble (contract S-43, S-46..S-48, S-50)."""

from __future__ import annotations

import functools
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from ensemble_models import step, tensors, write_ensemble
from model_repository import write_identity
from plugged_models import Answer, Queue, until
from plugged_models import write_model as write_plugged
from server_process import ServerProcess

#: B is given for positive X alone.
_SOMETIMES = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def answer(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
        names = ["A", "B"] if x.flat[0] > 0 else ["A"]
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, x) for name in names])

    def execute(self, requests):
        return [self.answer(request) for request in requests]
"""
#: Tells the names of its inputs.
_TELLS = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def answer(self, request):
        names = "".join(sorted(tensor.name() for tensor in request.inputs()))
        told = np.array([[names.encode()]], object)
        return pb_utils.InferenceResponse([pb_utils.Tensor("GIVEN", told)])

    def execute(self, requests):
        return [self.answer(request) for request in requests]
"""
#: Executes until its request is cancelled, and answers it all the same.
_PATIENT = """
import pathlib
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.folder = pathlib.Path(args["model_repository"])

    def execute(self, requests):
        (self.folder / "begun").touch()
        while not requests[0].is_cancelled():
            time.sleep(0.001)
        ran = pb_utils.Tensor("RAN", np.zeros((1, 2), np.int32))
        return [pb_utils.InferenceResponse([ran]) for _ in requests]
"""
#: Tells which version it is.
_VERSION = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.version = int(args["model_version"])

    def execute(self, requests):
        version = pb_utils.Tensor("VERSION", np.full((1, 1), self.version, np.int32))
        return [pb_utils.InferenceResponse([version]) for _ in requests]
"""

_X = tensors("input", "X", dims="-1")
_RAN = tensors("output", "RAN", dims="2", data_type="INT32")
_SEEN = tensors("output", "VERSION", dims="1", data_type="INT32")
_LABELS = "zero\none\ntwo\nthree\n"


def write_python(root: Path, name: str, source: str, io: str) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(source)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: 8 {io}'
    )


def write_optional(root: Path) -> None:
    """S-43: what `sometimes` does not give, `tells` does not get."""
    write_python(root, "sometimes", _SOMETIMES, _X + tensors("output", "A", "B", dims="-1"))
    given = tensors("output", "GIVEN", dims="1", data_type="STRING")
    b = 'input { name: "B" data_type: TYPE_FP32 dims: [-1] optional: true }'
    write_python(root, "tells", _TELLS, tensors("input", "A", dims="-1") + b + given)
    steps = step("sometimes", {"X": "X"}, {"A": "ONE", "B": "OTHER"})
    steps += step("tells", {"A": "ONE", "B": "OTHER"}, {"GIVEN": "GIVEN"})
    write_ensemble(root, "optional", steps, _X + given)


def write_lines(root: Path) -> None:
    """Two steps, one after the other: the first waits until a test, or a client, says so."""
    write_identity(root, "front", max_batch_size=8)
    write_plugged(root, "gated", "dynamic_batching { }", max_batch_size=8)
    ran = tensors("input", "RAN", dims="2", data_type="INT32")
    for name in ("version", "after"):
        write_python(root, name, _VERSION, ran + _SEEN)
    write_python(root, "patient", _PATIENT, _X + _RAN)
    queue = step("front", {"INPUT0": "X"}, {"OUTPUT0": "T"}) + step(
        "gated", {"X": "T"}, {"RAN": "RAN"}
    )
    write_ensemble(root, "bounded", queue, _X + _RAN, "max_inflight_requests: 2")
    write_ensemble(root, "unbounded", queue, _X + _RAN)
    for name, first, second in (("line", "gated", "version"), ("cancelled", "patient", "after")):
        steps = step(first, {"X": "X"}, {"RAN": "T"})
        steps += step(second, {"RAN": "T"}, {"VERSION": "VERSION"})
        write_ensemble(root, name, steps, _X + _SEEN)


def write_labelled(root: Path) -> None:
    write_identity(root, "labelled", dims="4", max_batch_size=8, label_file="labels.txt")
    (root / "labelled" / "labels.txt").write_text(_LABELS)
    io = tensors("input", "X") + tensors("output", "Y")
    write_ensemble(root, "heir", step("labelled", {"INPUT0": "X"}, {"OUTPUT0": "Y"}), io)
    write_ensemble(root, "grandchild", step("heir", {"X": "X"}, {"Y": "Y"}), io)
    own = io.replace('name: "Y"', 'name: "Y" label_filename: "own.txt"')
    write_ensemble(root, "own", step("labelled", {"INPUT0": "X"}, {"OUTPUT0": "Y"}), own)
    (root / "own" / "own.txt").write_text(_LABELS.upper())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("flowing_models")
    write_optional(root)
    write_lines(root)
    write_labelled(root)
    return root


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = [f"--load-model={path.name}" for path in sorted(root.iterdir())]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(root, log, "--model-control-mode=explicit", *options) as started:
        yield started


@pytest.fixture
def to(server: ServerProcess, root: Path) -> Iterator[Callable[[str], Queue]]:
    """A queue by its model's name; an ensemble's is never plugged."""
    with ExitStack() as queues:
        yield functools.cache(lambda name: queues.enter_context(Queue(server, root, name)))


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Any]:
    if request.param == "http":
        made: Any = triton_http.InferenceServerClient(server.http_url)
    else:
        made = triton_grpc.InferenceServerClient(server.grpc_url)
    with made:
        yield made


def infer(client: Any, model: str, *values: float, classes: int = 0, output: str = "Y") -> Any:
    """The one output that is asked for, as a list."""
    module = triton_http if isinstance(client, triton_http.InferenceServerClient) else triton_grpc
    x = module.InferInput("X", [1, len(values)], "FP32")
    x.set_data_from_numpy(np.array([values], np.float32))
    wanted = module.InferRequestedOutput(output, class_count=classes)
    return client.infer(model, [x], outputs=[wanted]).as_numpy(output).reshape(-1).tolist()


# ---- S-43: optional tensors ----


def test_a_missing_output_is_a_missing_input(client: Any) -> None:  # S-43
    assert infer(client, "optional", 1, output="GIVEN") == [b"AB"]
    assert infer(client, "optional", -1, output="GIVEN") == [b"A"]


# ---- S-46: max_inflight_requests ----


def ask_at_once(to: Callable[[str], Queue], model: str, waiting: int) -> list[int]:
    """Sizes of the batches that six requests are in, which came while `gated` was busy."""
    gated, front = to("gated"), to("front")
    before = front.executed
    gated.plug()
    answers = [to(model).send([value]) for value in range(6)]
    until(lambda: front.executed == before + 6)
    until(lambda: gated.pending == waiting)
    gated.pull()
    return [answer.ran[1] for answer in answers]


def test_a_step_has_so_many_requests_at_a_time(to: Callable[[str], Queue]) -> None:  # S-46
    assert max(ask_at_once(to, "bounded", 2)) <= 2
    assert ask_at_once(to, "unbounded", 6) == [6] * 6


# ---- S-47: cancellation ----


def cancel_grpc(server: ServerProcess, root: Path, begun: Path) -> None:
    with Queue(server, root, "cancelled") as queue:
        answer = queue.send([1])
        until(begun.exists)
        answer.call.cancel()
        assert answer.refusal[0] == "StatusCode.CANCELLED"


def cancel_http(server: ServerProcess, root: Path, begun: Path) -> None:
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, 1], "data": [1]}
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port)
    connection.request("POST", "/v2/models/cancelled/infer", json.dumps({"inputs": [tensor]}))
    until(begun.exists)
    connection.close()


@pytest.mark.parametrize("cancel", [cancel_http, cancel_grpc])
def test_no_step_begins_after_cancellation(
    server: ServerProcess,
    root: Path,
    to: Callable[[str], Queue],
    cancel: Callable[[ServerProcess, Path, Path], None],
) -> None:  # S-47
    """The step that executes is told; though it gives its outputs, nobody takes them."""
    failures = 'nv_inference_request_failure{model="cancelled",reason="CANCELED",version="1"}'
    before = server.metrics()[failures]
    begun = root / "patient" / "begun"
    begun.unlink(missing_ok=True)
    cancel(server, root, begun)
    until(lambda: server.metrics()[failures] == before + 1)
    assert to("after").executed == 0


# ---- S-48: composing models ----


def begin(to: Callable[[str], Queue], root: Path) -> Answer:
    """A request whose first step executes until to("gated").pull(), or the test's end."""
    to("gated")
    answer = to("line").send([-1])
    until((root / "gated" / "plugged").exists)
    return answer


def version_of(answer: Answer) -> int:
    until(lambda: answer.done)
    assert answer.result is not None, answer.error
    return int(answer.result.as_numpy("VERSION").item())


def is_served(server: ServerProcess, model: str) -> bool:
    return server.request("GET", f"/v2/models/{model}/ready").status == 200


def test_a_request_keeps_the_versions_of_its_beginning(
    client: Any, server: ServerProcess, root: Path, to: Callable[[str], Queue]
) -> None:  # S-48
    """-1 is the latest version when the request begins, whatever is loaded meanwhile."""
    latest = version_of(to("line").send([1]))
    answer = begin(to, root)
    (root / "version" / str(latest + 1)).mkdir()
    (root / "version" / str(latest + 1) / "model.py").write_text(_VERSION)
    client.load_model("version")
    assert not is_served(server, f"version/versions/{latest}")
    assert is_served(server, "version")
    to("gated").pull()
    assert version_of(answer) == latest
    assert version_of(to("line").send([1])) == latest + 1


def test_a_request_ends_with_models_that_were_unloaded(
    client: Any, server: ServerProcess, root: Path, to: Callable[[str], Queue]
) -> None:  # S-48
    answer = begin(to, root)
    client.unload_model("version")
    assert not is_served(server, "version")
    to("gated").pull()
    assert version_of(answer) > 0
    client.load_model("line")


# ---- S-50: labels ----


def names(client: Any, model: str) -> list[str]:
    """Of the two highest of four classes, the first and the last."""
    found = infer(client, model, 9, 1, 2, 8, classes=2)
    return [value.decode().rpartition(":")[2] for value in found]


def test_labels_are_inherited(client: Any) -> None:  # S-50
    """Through ensembles of ensembles, too; an ensemble's own come first."""
    assert names(client, "heir") == ["zero", "three"]
    assert names(client, "grandchild") == ["zero", "three"]
    assert names(client, "own") == ["ZERO", "THREE"]


def test_labels_are_those_of_the_model_that_serves(client: Any, root: Path) -> None:  # S-50
    labels = root / "labelled" / "labels.txt"
    labels.write_text(_LABELS.replace("zero", "nought"))
    client.load_model("labelled")
    assert names(client, "heir") == ["nought", "three"]
    labels.write_text(_LABELS)
    client.load_model("labelled")
    assert names(client, "heir") == ["zero", "three"]
