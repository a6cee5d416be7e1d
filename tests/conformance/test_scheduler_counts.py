# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What schedulers count: reasons of failures, batches, ensembles (1.11, M-1..M-10, M-32, M-33)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from server_process import Reply, ServerProcess

_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")
_TENSORS = (
    'input { name: "INPUT0" data_type: TYPE_FP32 dims: [-1] }'
    'output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [-1] }'
)
_PICKY = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            if (x < 0).any():
                responses.append(pb_utils.InferenceResponse(error=pb_utils.TritonError("negative")))
            else:
                responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", x)]))
        return responses
"""


def write_model(root: Path, name: str, extra: str, delay_ms: int = 0, batch: int = 1) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "identity" max_batch_size: {batch} {_TENSORS} {extra}'
        f'parameters {{ key: "execute_delay_ms" value {{ string_value: "{delay_ms}" }} }}'
    )


def write_ensemble(root: Path, name: str, *models: str) -> None:
    (root / name / "1").mkdir(parents=True)
    tensors = ["INPUT0", *(f"T{i}" for i in range(1, len(models))), "OUTPUT0"]
    steps = "".join(
        f'step {{ model_name: "{model}" model_version: -1'
        f' input_map {{ key: "INPUT0" value: "{tensors[i]}" }}'
        f' output_map {{ key: "OUTPUT0" value: "{tensors[i + 1]}" }} }}'
        for i, model in enumerate(models)
    )
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" platform: "ensemble" max_batch_size: 1 {_TENSORS}'
        f"ensemble_scheduling {{ {steps} }}"
    )


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("counted_models")
    hasty = "dynamic_batching { default_queue_policy { default_timeout_microseconds: 20000 } }"
    write_model(root, "hasty", hasty, delay_ms=300)
    full = "dynamic_batching { default_queue_policy { max_queue_size: 1 } }"
    write_model(root, "full", full, delay_ms=300)
    merged = "dynamic_batching { preferred_batch_size: [4] max_queue_delay_microseconds: 20000000 }"
    write_model(root, "merged", merged, batch=4)
    write_model(root, "sequence", "sequence_batching { direct { } }")
    write_model(root, "plain", "")
    (root / "picky" / "1").mkdir(parents=True)
    (root / "picky" / "1" / "model.py").write_text(_PICKY)
    (root / "picky" / "config.pbtxt").write_text(
        f'name: "picky" backend: "python" max_batch_size: 1 {_TENSORS}'
    )
    write_ensemble(root, "chain", "plain", "picky")
    write_ensemble(root, "impatient", "hasty", "plain")
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "log") as server:
        yield server


def infer(server: ServerProcess, model: str, value: float = 1, **parameters: Any) -> Reply:
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [value]}
    body = {"inputs": [tensor], "parameters": parameters}
    return server.request("POST", f"/v2/models/{model}/infer", body)


class Counts:
    """How the counters of a model have grown since this was made."""

    def __init__(self, server: ServerProcess, model: str) -> None:
        self._server = server
        self._model = model
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        scrape = self._server.metrics()
        labels = f'model="{self._model}",version="1"'
        values = {
            name: scrape[f"nv_inference_{name}{{{labels}}}"]
            for name in ("request_success", "count", "exec_count", "pending_request_count")
        }
        reason = f'nv_inference_request_failure{{model="{self._model}",reason="%s",version="1"}}'
        values |= {name: scrape[reason % name] for name in _REASONS}
        found = self._server.request("GET", f"/v2/models/{self._model}/stats").json
        stages = found["model_stats"][0]["inference_stats"]
        return values | {name: stages[name]["count"] for name in stages}

    def grown(self) -> dict[str, float]:
        now = self._now()
        return {name: now[name] - was for name, was in self._before.items() if now[name] != was}


#: What a success adds that was executed alone.
_SUCCESS = {
    "request_success": 1,
    "count": 1,
    "exec_count": 1,
    "success": 1,
    "queue": 1,
    "compute_input": 1,
    "compute_infer": 1,
    "compute_output": 1,
}


def test_queue_time_outs_are_rejected(counting: ServerProcess) -> None:
    """M-2 REJECTED, S-7: one a request, none of them executed."""
    counts = Counts(counting, "hasty")
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda _: infer(counting, "hasty"), range(4)))
    assert sorted(reply.status for reply in replies) == [200, 503, 503, 503]
    assert {r.error for r in replies if r.status == 503} == {"Request timeout expired"}
    assert counts.grown() == _SUCCESS | {"REJECTED": 3, "fail": 3}


def test_what_finds_the_queue_full_is_not_counted(counting: ServerProcess) -> None:
    """S-7, M-2: refused before it is in the queue."""
    counts = Counts(counting, "full")
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: infer(counting, "full"), range(6)))
    refused = [reply.error for reply in replies if reply.status == 503]
    assert refused and all(text.endswith("Exceeds maximum queue size") for text in refused)
    executed = 6 - len(refused)
    assert counts.grown() == {name: executed * value for name, value in _SUCCESS.items()}


def test_a_merged_batch(counting: ServerProcess) -> None:
    """M-1, M-3, M-4, M-32, batch_stats: four successes, one execution of four."""
    counts = Counts(counting, "merged")
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda _: infer(counting, "merged"), range(4)))
    assert {reply.status for reply in replies} == {200}
    assert counts.grown() == dict.fromkeys(_SUCCESS, 4) | {"exec_count": 1}
    stats = counting.request("GET", "/v2/models/merged/stats").json["model_stats"][0]
    (row,) = stats["batch_stats"]
    assert row["batch_size"] == 4
    assert {row[stage]["count"] for stage in row if stage != "batch_size"} == {1}


def test_sequences(counting: ServerProcess) -> None:
    """S-21, S-24, M-2: an error of the flags is not counted, a backlog's time-out is REJECTED."""
    counts = Counts(counting, "sequence")
    assert infer(counting, "sequence", sequence_id=7).status == 400
    assert counts.grown() == {}
    assert infer(counting, "sequence", sequence_id=1, sequence_start=True).status == 200
    late = infer(counting, "sequence", sequence_id=2, sequence_start=True, timeout=20_000)
    assert late.status == 503
    assert late.error == "timeout of the corresponding sequence has been expired"
    assert counts.grown() == _SUCCESS | {"REJECTED": 1, "fail": 1}


def test_an_ensemble_counts_under_its_own_name(counting: ServerProcess) -> None:
    """S-49, M-33: a success and an execution a request; its steps count on their models."""
    ensemble, step = Counts(counting, "chain"), Counts(counting, "picky")
    assert infer(counting, "chain").status == 200
    assert ensemble.grown() == _SUCCESS
    assert step.grown() == _SUCCESS


def test_a_failing_step(counting: ServerProcess) -> None:
    """M-2: BACKEND on the step's model, OTHER on the ensemble, once (Triton: twice)."""
    ensemble, step = Counts(counting, "chain"), Counts(counting, "picky")
    assert infer(counting, "chain", -1).status == 500
    assert ensemble.grown() == {"OTHER": 1, "fail": 1}
    grown = step.grown()
    assert (grown["BACKEND"], grown["fail"]) == (1, 1)
    assert "request_success" not in grown


def test_a_rejected_step(counting: ServerProcess) -> None:
    """M-2: REJECTED on the step's model, OTHER on the ensemble."""
    ensemble, step = Counts(counting, "impatient"), Counts(counting, "hasty")
    with ThreadPoolExecutor(3) as threads:
        replies = list(threads.map(lambda _: infer(counting, "impatient"), range(3)))
    assert sorted(reply.status for reply in replies) == [200, 503, 503]
    assert step.grown() == _SUCCESS | {"REJECTED": 2, "fail": 2}
    assert ensemble.grown() == _SUCCESS | {"OTHER": 2, "fail": 2}
