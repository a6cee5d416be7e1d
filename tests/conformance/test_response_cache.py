# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The response cache through stock clients (4.6, 1.11, M-15, M-16, X-44, X-45, S-6, S-50)."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

#: Y is X + 1, RUNS says how many requests the model has executed; slow for large X.
_COUNTING = """
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    runs = 0

    def execute(self, requests):
        responses = []
        for request in requests:
            self.runs += 1
            x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
            if (x < 0).any():
                error = pb_utils.TritonError("negative", pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            if (x >= 100).any():
                time.sleep(0.3)
            runs = np.array([[self.runs]], np.int32)
            outputs = [pb_utils.Tensor("Y", x + 1), pb_utils.Tensor("RUNS", runs)]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
"""

_TENSORS = """
input { name: "X" data_type: TYPE_FP32 dims: [-1, -1] }
output { name: "Y" data_type: TYPE_FP32 dims: [-1, -1] }
output { name: "RUNS" data_type: TYPE_INT32 dims: [1] }
"""
_ENABLE = "response_cache { enable: true }\n"
_SIZE = 16384


def write_model(root: Path, name: str, extra: str) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(_COUNTING)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: 1 {_TENSORS} {extra}'
    )


def write_repository(root: Path) -> None:
    write_model(root, "cached", _ENABLE)
    write_model(root, "reloaded", _ENABLE)
    write_model(root, "uncached", "")
    ordered = "dynamic_batching { preserve_ordering: true }"
    write_model(root, "ordered", _ENABLE + ordered)
    write_model(root, "step", "")
    maps = (
        'input_map { key: "X" value: "X" } output_map { key: "Y" value: "Y" }'
        'output_map { key: "RUNS" value: "RUNS" }'
    )
    for name, model, extra in (("whole", "step", _ENABLE), ("parts", "cached", "")):
        (root / name / "1").mkdir(parents=True)
        (root / name / "config.pbtxt").write_text(
            f'name: "{name}" platform: "ensemble" max_batch_size: 1 {_TENSORS} {extra}'
            f'ensemble_scheduling {{ step {{ model_name: "{model}" model_version: -1 {maps} }} }}'
        )
    tensor = "data_type: TYPE_FP32 dims: [-1]"
    (root / "native" / "1").mkdir(parents=True)
    (root / "native" / "config.pbtxt").write_text(
        f'name: "native" backend: "identity" {_ENABLE} input {{ name: "INPUT0" {tensor} }}'
        f'output {{ name: "OUTPUT0" {tensor} }}'
    )
    write_model(root, "decoupled", _ENABLE + "model_transaction_policy { decoupled: true }")


STARTED = ("cached", "reloaded", "uncached", "ordered", "whole", "parts", "native")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cached_models")
    write_repository(folder)
    return folder


@pytest.fixture(scope="module")
def caching(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = [f"--load-model={name}" for name in STARTED]
    options += ["--model-control-mode=explicit", f"--cache-config=local,size={_SIZE}"]
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "log", *options) as server:
        yield server


def http_infer(
    server: ServerProcess,
    model: str,
    value: float,
    shape: tuple[int, ...] = (1, 1, 4),
    outputs: tuple[str, ...] = (),
) -> dict[str, npt.NDArray[Any]]:
    x = triton_http.InferInput("X", shape, "FP32")
    x.set_data_from_numpy(np.full(shape, value, np.float32))
    wanted = [triton_http.InferRequestedOutput(name) for name in outputs] or None
    with triton_http.InferenceServerClient(server.http_url) as client:
        answer = client.infer(model, [x], outputs=wanted, request_id="me", priority=1)
        assert answer.get_response()["id"] == "me"
        return {o["name"]: answer.as_numpy(o["name"]) for o in answer.get_response()["outputs"]}


def grpc_input(value: float) -> triton_grpc.InferInput:
    x = triton_grpc.InferInput("X", [1, 1, 4], "FP32")
    x.set_data_from_numpy(np.full((1, 1, 4), value, np.float32))
    return x


def runs(answer: dict[str, npt.NDArray[Any]]) -> int:
    return int(answer["RUNS"][0, 0])


def counts(server: ServerProcess, model: str) -> dict[str, int]:
    found = server.request("GET", f"/v2/models/{model}/stats").json["model_stats"][0]
    stages = {name: stage["count"] for name, stage in found["inference_stats"].items()}
    return stages | {name: found[name] for name in ("inference_count", "execution_count")}


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in before if after[name] != before[name]}


def test_equal_requests_are_executed_once(caching: ServerProcess) -> None:
    first = http_infer(caching, "cached", 1)
    again = http_infer(caching, "cached", 1)
    assert runs(again) == runs(first)
    np.testing.assert_array_equal(again["Y"], np.full((1, 1, 4), 2, np.float32))
    with triton_grpc.InferenceServerClient(caching.grpc_url) as client:
        answer = client.infer("cached", [grpc_input(1)])
    np.testing.assert_array_equal(answer.as_numpy("Y"), again["Y"])
    assert answer.as_numpy("RUNS")[0, 0] == runs(first)
    assert runs(http_infer(caching, "cached", 2)) == runs(first) + 1


def test_hits_count_in_success_and_queue_only(caching: ServerProcess) -> None:
    """X-45, 1.11, M-1, M-3, M-4, M-15, M-16."""
    before, scrape = counts(caching, "cached"), caching.metrics()
    for _ in range(3):
        http_infer(caching, "cached", 10)
    change = grown(before, counts(caching, "cached"))
    assert change == {
        "success": 3,
        "queue": 3,
        "cache_hit": 2,
        "cache_miss": 1,
        "compute_input": 1,
        "compute_infer": 1,
        "compute_output": 1,
        "inference_count": 1,
        "execution_count": 1,
    }
    after = caching.metrics()
    labels = '{model="cached",version="1"}'
    for family, growth in {
        "nv_inference_request_success": 3,
        "nv_inference_count": 1,
        "nv_inference_exec_count": 1,
        "nv_cache_num_hits_per_model": 2,
        "nv_cache_num_misses_per_model": 1,
    }.items():
        assert after[family + labels] - scrape[family + labels] == growth, family
    for family in ("nv_cache_hit_duration_per_model", "nv_cache_miss_duration_per_model"):
        assert after[family + labels] > 0


def test_grpc_statistics(caching: ServerProcess) -> None:  # G-9
    http_infer(caching, "cached", 11)
    http_infer(caching, "cached", 11)
    with triton_grpc.InferenceServerClient(caching.grpc_url) as client:
        stats = client.get_inference_statistics("cached").model_stats[0].inference_stats
    assert stats.cache_hit.count > 0 and stats.cache_hit.ns > 0
    assert stats.cache_miss.count > 0 and stats.cache_miss.ns > 0
    assert stats.success.count == stats.cache_hit.count + stats.cache_miss.count


def test_the_shape_is_not_in_the_key(caching: ServerProcess) -> None:
    flat = http_infer(caching, "cached", 12, (1, 1, 4))
    square = http_infer(caching, "cached", 12, (1, 2, 2))
    assert runs(square) == runs(flat)
    assert square["Y"].shape == (1, 1, 4)


def test_an_entry_without_a_wanted_output_is_a_miss(caching: ServerProcess) -> None:
    assert list(http_infer(caching, "cached", 13, outputs=("Y",))) == ["Y"]
    before = counts(caching, "cached")
    assert list(http_infer(caching, "cached", 13, outputs=("Y",))) == ["Y"]
    assert grown(before, counts(caching, "cached"))["cache_hit"] == 1
    whole = http_infer(caching, "cached", 13)
    assert set(whole) == {"Y", "RUNS"}
    assert runs(http_infer(caching, "cached", 13)) == runs(whole)
    assert list(http_infer(caching, "cached", 13, outputs=("RUNS",))) == ["RUNS"]


def test_errors_are_not_cached(caching: ServerProcess) -> None:
    before = counts(caching, "cached")
    for _ in range(2):
        with pytest.raises(InferenceServerException, match="negative"):
            http_infer(caching, "cached", -1)
    assert grown(before, counts(caching, "cached")) == {"fail": 2}


def test_models_that_do_not_ask_for_it(caching: ServerProcess) -> None:
    first = http_infer(caching, "uncached", 1)
    assert runs(http_infer(caching, "uncached", 1)) == runs(first) + 1
    labels = '{model="uncached",version="1"}'
    assert f"nv_cache_num_hits_per_model{labels}" not in caching.metrics()


def test_native_models(caching: ServerProcess) -> None:
    body = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [2], "data": [1, 2]}]}
    for _ in range(2):
        answer = caching.request("POST", "/v2/models/native/infer", body).json
        assert answer["outputs"][0]["data"] == [1, 2]
    assert counts(caching, "native")["cache_hit"] == 1


def test_an_ensemble_is_cached(caching: ServerProcess) -> None:  # S-50
    """What it answers from the cache, its steps have nothing to do with."""
    first = http_infer(caching, "whole", 5)
    ensemble, step = counts(caching, "whole"), counts(caching, "step")
    assert runs(http_infer(caching, "whole", 5)) == runs(first)
    assert grown(ensemble, counts(caching, "whole")) == {"success": 1, "queue": 1, "cache_hit": 1}
    assert grown(step, counts(caching, "step")) == {}


def test_a_step_is_cached(caching: ServerProcess) -> None:  # S-50
    """The ensemble, which is not, is executed; requests of its model have the same answers."""
    first = http_infer(caching, "parts", 50)
    ensemble, step = counts(caching, "parts"), counts(caching, "cached")
    again = http_infer(caching, "parts", 50)
    assert runs(again) == runs(first) == runs(http_infer(caching, "cached", 50))
    np.testing.assert_array_equal(again["Y"], first["Y"])
    assert grown(step, counts(caching, "cached")) == {"success": 2, "queue": 2, "cache_hit": 2}
    change = grown(ensemble, counts(caching, "parts"))
    assert (change["success"], change["execution_count"]) == (1, 1)
    assert "cache_hit" not in change and "cache_miss" not in change


def test_hits_keep_their_place(caching: ServerProcess) -> None:  # S-6
    http_infer(caching, "ordered", 1)
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton_grpc.InferenceServerClient(caching.grpc_url) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for value in (100, 1, 101, 1):  # slow, cached, slow, cached
            client.async_stream_infer("ordered", [grpc_input(value)])
        order = []
        for _ in range(4):
            result, error = answers.get(timeout=20)
            assert error is None
            order.append(float(result.as_numpy("Y").flat[0]) - 1)
        client.stop_stream()
    assert order == [100, 1, 101, 1]
    assert counts(caching, "ordered")["cache_hit"] == 2


def test_the_least_recently_used_is_evicted(caching: ServerProcess) -> None:
    shape = (1, 1, 512)  # 2 KiB of answer: the cache has room for seven at most
    first = http_infer(caching, "cached", 20, shape)
    for value in range(21, 24):
        http_infer(caching, "cached", value, shape)
        assert runs(http_infer(caching, "cached", 20, shape)) == runs(first)
    for value in range(30, 38):
        http_infer(caching, "cached", value, shape)
    assert runs(http_infer(caching, "cached", 20, shape)) > runs(first)


def test_what_is_larger_than_the_cache_is_not_cached(caching: ServerProcess) -> None:
    shape = (1, 1, _SIZE // 4)
    first = http_infer(caching, "cached", 40, shape)
    assert runs(http_infer(caching, "cached", 40, shape)) == runs(first) + 1


def test_a_reload_starts_afresh(caching: ServerProcess) -> None:
    for _ in range(3):
        http_infer(caching, "reloaded", 1)
    for verb in ("unload", "load"):
        assert caching.request("POST", f"/v2/repository/models/reloaded/{verb}").status == 200
    http_infer(caching, "reloaded", 1)
    assert counts(caching, "reloaded")["execution_count"] == 1


def test_decoupled_models_cannot_have_it(caching: ServerProcess) -> None:  # 2.1
    reply = caching.request("POST", "/v2/repository/models/decoupled/load")
    assert (reply.status, reply.error) == (
        500,
        "failed to load 'decoupled', failed to poll from model repository: Response Cache does not "
        "currently support model decoupled with 'decoupled' transaction policy. Please disable the "
        "response cache.",
    )


def test_a_server_without_a_cache_executes_all(root: Path, tmp_path: Path) -> None:
    options = ["--model-control-mode=explicit", "--load-model=cached"]
    with ServerProcess(root, tmp_path / "log", *options) as server:
        first = http_infer(server, "cached", 1)
        assert runs(http_infer(server, "cached", 1)) == runs(first) + 1
        assert not [name for name in server.metrics() if name.startswith("nv_cache")]
        assert "model 'cached' enables the response cache, but the server has none" in server.log
