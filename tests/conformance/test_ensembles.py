# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Ensembles through stock clients (contract 2.9, 4.4, R-28)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from ensemble_models import step, tensors, write_ensemble
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

_ADD = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            if (x < 0).any():
                error = pb_utils.TritonError("negative", pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", x + 1)]))
        return responses
"""


def write_model(root: Path, name: str, max_batch_size: int = 8, io: str | None = None) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(_ADD)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: {max_batch_size}\n'
        + (io or tensors("input", "IN") + tensors("output", "OUT"))
        + "dynamic_batching {}"
    )


CHAIN = step("add", {"IN": "X"}, {"OUT": "T"}) + step("add", {"IN": "T"}, {"OUT": "Y"})
X_TO_Y = tensors("input", "X") + tensors("output", "Y")


def write_repository(root: Path) -> None:
    write_model(root, "add")
    write_model(root, "other")
    write_model(root, "unbatched", max_batch_size=0)
    write_ensemble(root, "chain", CHAIN, X_TO_Y)
    nested = step("chain", {"X": "X"}, {"Y": "T"}) + step("add", {"IN": "T"}, {"OUT": "Y"})
    write_ensemble(root, "nested", nested, X_TO_Y)
    two = step("add", {"IN": "X"}, {"OUT": "Y"}) + step("other", {"IN": "X"}, {"OUT": "Z"})
    write_ensemble(root, "two", two, tensors("input", "X") + tensors("output", "Y", "Z"))
    adapt = step("unbatched", {"IN": "X"}, {"OUT": "T"}) + step("add", {"IN": "T"}, {"OUT": "Y"})
    write_ensemble(root, "adapt", adapt, X_TO_Y)
    # Those that cannot be loaded.
    write_ensemble(root, "circle_a", step("circle_b", {"X": "X"}, {"Y": "Y"}), X_TO_Y)
    write_ensemble(root, "circle_b", step("circle_a", {"X": "X"}, {"Y": "Y"}), X_TO_Y)
    write_ensemble(root, "missing", step("nobody", {"IN": "X"}, {"OUT": "Y"}), X_TO_Y)
    write_ensemble(root, "zero", step("add", {"IN": "X"}, {"OUT": "Y"}, version=0), X_TO_Y)
    write_ensemble(root, "unknown", step("add", {"INPUT": "X"}, {"OUT": "Y"}), X_TO_Y)
    wide = tensors("input", "X", dims="5") + tensors("output", "Y")
    write_ensemble(root, "wide", step("add", {"IN": "X"}, {"OUT": "Y"}), wide)
    write_model(root, "small", max_batch_size=2)
    write_ensemble(root, "large", step("small", {"IN": "X"}, {"OUT": "Y"}), X_TO_Y)


STARTED = ("chain", "nested", "two", "adapt")


@pytest.fixture(scope="module")
def ensembles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("ensembles")
    write_repository(root)
    options = [f"--load-model={name}" for name in STARTED]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(root, log, "--model-control-mode=explicit", *options) as server:
        yield server


def http_infer(
    server: ServerProcess, model: str, value: float, rows: int = 1, outputs: tuple[str, ...] = ()
) -> dict[str, npt.NDArray[np.float32]]:
    x = triton_http.InferInput("X", [rows, 4], "FP32")
    x.set_data_from_numpy(np.full((rows, 4), value, np.float32))
    wanted = [triton_http.InferRequestedOutput(name) for name in outputs] or None
    with triton_http.InferenceServerClient(server.http_url) as client:
        answer = client.infer(model, [x], outputs=wanted, request_id="me")
        return {o["name"]: answer.as_numpy(o["name"]) for o in answer.get_response()["outputs"]}


def grpc_infer(server: ServerProcess, model: str, value: float) -> npt.NDArray[np.float32]:
    x = triton_grpc.InferInput("X", [1, 4], "FP32")
    x.set_data_from_numpy(np.full((1, 4), value, np.float32))
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        found: npt.NDArray[np.float32] = client.infer(model, [x]).as_numpy("Y")
        return found


def statistics(server: ServerProcess, model: str) -> dict[str, int]:
    found = server.request("GET", f"/v2/models/{model}/stats").json["model_stats"][0]
    return {
        "count": found["inference_count"],
        "executions": found["execution_count"],
        "success": found["inference_stats"]["success"]["count"],
        "infer_ns": found["inference_stats"]["compute_infer"]["ns"],
    }


@pytest.mark.parametrize(("model", "added"), [("chain", 2), ("nested", 3), ("adapt", 2)])
def test_answers(ensembles: ServerProcess, model: str, added: int) -> None:  # S-40, S-42
    expected = np.full((1, 4), 1.5 + added, np.float32)
    np.testing.assert_array_equal(http_infer(ensembles, model, 1.5)["Y"], expected)
    np.testing.assert_array_equal(grpc_infer(ensembles, model, 1.5), expected)


def test_many_at_once(ensembles: ServerProcess) -> None:
    before = statistics(ensembles, "add")
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda i: http_infer(ensembles, "chain", i, 2)["Y"], range(64)))
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, np.full((2, 4), i + 2, np.float32))
    after = statistics(ensembles, "add")
    assert after["count"] - before["count"] == 2 * 2 * 64


def test_statistics_are_the_steps_sum(ensembles: ServerProcess) -> None:  # S-49
    before = {name: statistics(ensembles, name) for name in ("two", "add", "other")}
    http_infer(ensembles, "two", 1)
    after = {name: statistics(ensembles, name) for name in before}
    grown = {
        name: {key: after[name][key] - before[name][key] for key in before[name]} for name in before
    }
    assert grown["two"]["infer_ns"] == grown["add"]["infer_ns"] + grown["other"]["infer_ns"]
    assert (grown["two"]["count"], grown["two"]["executions"], grown["two"]["success"]) == (1, 1, 1)


def test_only_what_is_needed_runs(ensembles: ServerProcess) -> None:
    before = statistics(ensembles, "other")
    assert list(http_infer(ensembles, "two", 1, outputs=("Y",))) == ["Y"]
    assert statistics(ensembles, "other") == before


def test_errors_name_the_ensemble(ensembles: ServerProcess) -> None:  # S-44
    with pytest.raises(InferenceServerException) as caught:
        http_infer(ensembles, "chain", -3)
    assert caught.value.message() == "in ensemble 'chain', negative"
    with pytest.raises(InferenceServerException) as caught:
        grpc_infer(ensembles, "nested", -3)
    assert caught.value.message() == "in ensemble 'nested', in ensemble 'chain', negative"
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("circle_a", "circular dependency between ensembles: circle_a -> circle_b -> circle_a"),
        ("missing", "ensemble 'missing' depends on 'nobody' which has no loaded version."),
        ("zero", "ensemble 'zero' depends on 'add' whose required version 0 is not loaded."),
        ("unknown", "ensemble tensor X is mapping to non-existing input INPUT in model add"),
        ("wide", "inconsistent shape: [-1,4] is inferred from model add"),
        (
            "large",
            "ensemble large allows maximum batch size 8, but it contains model small which only "
            "allows maximum batch size to be 2",
        ),
    ],
)
def test_what_does_not_fit_is_not_loaded(  # 2.9, 12.5, X-40
    ensembles: ServerProcess, model: str, text: str
) -> None:
    reply = ensembles.request("POST", f"/v2/repository/models/{model}/load", {})
    assert reply.status == 400
    assert text in reply.error
    index = ensembles.request("POST", "/v2/repository/index").json
    [entry] = [entry for entry in index if entry["name"] == model]
    assert entry.get("state") != "READY"


def test_models_come_and_go_with_their_ensemble(tmp_path: Path) -> None:  # REP-2, REP-3, R-28
    root = tmp_path / "models"
    for name in ("add", "other"):
        write_model(root, name)
    two = step("add", {"IN": "X"}, {"OUT": "Y"}) + step("other", {"IN": "X"}, {"OUT": "Z"})
    write_ensemble(root, "two", two, tensors("input", "X") + tensors("output", "Y", "Z"))
    write_ensemble(root, "chain", CHAIN, X_TO_Y)
    options = ["--model-control-mode=explicit", "--strict-readiness=false"]
    with (
        ServerProcess(root, tmp_path / "log", *options) as server,
        triton_http.InferenceServerClient(server.http_url) as client,
    ):
        client.load_model("other")
        client.load_model("two")
        client.load_model("chain")
        assert client.is_model_ready("add")
        client.unload_model("two", unload_dependents=True)
        assert client.is_model_ready("add")  # the other ensemble needs it
        assert client.is_model_ready("other")  # somebody asked for it
        client.unload_model("chain", unload_dependents=True)
        assert not client.is_model_ready("add")
        assert client.is_model_ready("other")


def test_all_are_loaded_at_the_start(tmp_path: Path) -> None:
    root = tmp_path / "models"
    write_ensemble(root, "a_chain", CHAIN, X_TO_Y)  # before its model in the alphabet
    write_model(root, "add")
    with ServerProcess(root, tmp_path / "log") as server:
        np.testing.assert_array_equal(
            http_infer(server, "a_chain", 0)["Y"], np.full((1, 4), 2, np.float32)
        )
        config = server.request("GET", "/v2/models/a_chain/config").json
        assert config["platform"] == "ensemble"
        assert len(config["ensemble_scheduling"]["step"]) == 2
