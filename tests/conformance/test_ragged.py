# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Ragged batches of a real ONNX model, over both protocols (contract C-4, 2.4, S-2.2, S-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from model_repository import HAVE_ONNX
from server_process import ServerProcess

pytestmark = pytest.mark.skipif(not HAVE_ONNX, reason="needs onnx and onnxruntime")

Array = npt.NDArray[Any]
Answer = dict[str, Array]
#: server, model, X -> the outputs by name
Call = Callable[[ServerProcess, str, Array], Answer]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    from ragged_models import write_repository

    root = tmp_path_factory.mktemp("ragged_models")
    write_repository(root)
    log = tmp_path_factory.mktemp("log") / "log"
    with ServerProcess(root, log, "--exit-on-error=false", "--strict-readiness=false") as started:
        yield started


def over_http(server: ServerProcess, model: str, x: Array) -> Answer:
    with triton_http.InferenceServerClient(server.http_url, network_timeout=60) as client:
        tensor = triton_http.InferInput("X", x.shape, "FP32").set_data_from_numpy(x)
        result = client.infer(model, [tensor])
        names = [output["name"] for output in result.get_response()["outputs"]]
        return {name: result.as_numpy(name) for name in names}


def over_grpc(server: ServerProcess, model: str, x: Array) -> Answer:
    with triton_grpc.InferenceServerClient(server.grpc_url) as client:
        tensor = triton_grpc.InferInput("X", x.shape, "FP32").set_data_from_numpy(x)
        result = client.infer(model, [tensor], client_timeout=60)
        return {
            output.name: result.as_numpy(output.name) for output in result.get_response().outputs
        }


def together(
    server: ServerProcess, model: str, calls: Sequence[tuple[Call, Array]]
) -> list[Answer]:
    """All at once; checks that they were one execution."""
    before = counts(server, model)
    with ThreadPoolExecutor(len(calls)) as threads:
        running = [threads.submit(call, server, model, x) for call, x in calls]
        answers = [each.result() for each in running]
    after = counts(server, model)
    assert (after[0] - before[0], after[1] - before[1]) == (sum(len(x) for _, x in calls), 1)
    return answers


def counts(server: ServerProcess, model: str) -> tuple[int, int]:
    """Inferences and executions so far."""
    row = server.request("GET", f"/v2/models/{model}/stats").json["model_stats"][0]
    return row["inference_count"], row["execution_count"]


def ramp(first: int, *shape: int) -> Array:
    return np.arange(first, first + np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("calls", [(over_http, over_grpc, over_http), (over_grpc,) * 3])
def test_requests_of_all_lengths_are_one_batch(
    server: ServerProcess, calls: tuple[Call, Call, Call]
) -> None:
    values = [ramp(1, 1, 5), ramp(100, 1, 2), ramp(50, 1, 9)]
    answers = together(server, "segments", [*zip(calls, values, strict=True)])
    for x, answer in zip(values, answers, strict=True):
        assert answer["SUM"].tolist() == [[x.sum()]]
        assert answer["DOUBLE"].shape == x.shape
        assert answer["DOUBLE"].tolist() == (2 * x).tolist()


def test_empty_requests_take_part(server: ServerProcess) -> None:  # C-8
    values = [ramp(1, 1, 0), ramp(7, 1, 3), ramp(1, 1, 0)]
    answers = together(server, "segments", [(over_grpc, x) for x in values])
    assert [answer["SUM"].item() for answer in answers] == [0, 7 + 8 + 9, 0]
    assert [answer["DOUBLE"].shape for answer in answers] == [(1, 0), (1, 3), (1, 0)]


def test_every_kind_of_batch_input(server: ServerProcess) -> None:  # 2.4
    values = [ramp(0, 1, 2, 3), ramp(0, 1, 5, 1), ramp(0, 1, 4, 4)]
    answers = together(server, "kinds", [(over_grpc, x) for x in values])
    total = sum(x.sum() for x in values)
    sizes = [x.size for x in values]
    for x, answer in zip(values, answers, strict=True):
        assert answer["ALL"].tolist() == [[total]]  # they were all there
        assert answer["COUNT"].tolist() == [[x.size]]
        assert answer["MOST"].tolist() == [[max(sizes)]]
        assert answer["SHAPE"].tolist() == [[*x.shape[1:]]]
        assert answer["FLAT"].tolist() == [[*x.shape[1:]]]
    # In whatever order they came: the sums of the sizes until each.
    pairs = zip(values, answers, strict=True)
    totals = sorted((answer["TOTAL"].item(), x.size) for x, answer in pairs)
    assert [until for until, _ in totals] == np.cumsum([size for _, size in totals]).tolist()


def test_batch_inputs_are_not_the_clients(server: ServerProcess) -> None:
    metadata = server.request("GET", "/v2/models/segments").json
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["X"]
    body = {"inputs": [{"name": "ENDS", "datatype": "INT32", "shape": [1, 1], "data": [1]}]}
    reply = server.request("POST", "/v2/models/segments/infer", body)
    assert reply.status == 400
    assert "unexpected inference input 'ENDS' for model 'segments'" in reply.error


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            "not_flat",
            "unable to load model 'not_flat', configuration expects model provides input with "
            "shape [-1] for ragged input 'X', model provides [-1,-1]",
        ),
        (
            "counts_not_flat",
            "unable to load model 'counts_not_flat', configuration expects model provides input "
            "with shape [-1] for batch input 'COUNTS', model provides [-1,-1]",
        ),
    ],
)
def test_a_model_that_takes_other_shapes_is_refused(
    server: ServerProcess, model: str, reason: str
) -> None:
    index = server.request("POST", "/v2/repository/index").json
    row = next(row for row in index if row["name"] == model)
    assert (row["state"], row["reason"]) == ("UNAVAILABLE", reason)
