# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Models that call models (BLS, contract 5.1), as tritonclient sees it."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bls_models
import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

TIMEOUT_S = 20

#: where the caller runs; what it calls runs in worker processes
BOTH = pytest.mark.parametrize("where", ["", "_here"], ids=["process", "in_process"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("bls")
    bls_models.write_repository(root)
    log = tmp_path_factory.mktemp("log") / "server.log"
    options = ["--model-control-mode=explicit", "--load-model=*"]
    with ServerProcess(root, log, *options) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[grpc_client.InferenceServerClient]:
    with grpc_client.InferenceServerClient(server.grpc_url) as made:
        yield made


def tensor(*numbers: int) -> grpc_client.InferInput:
    made = grpc_client.InferInput("IN", [len(numbers)], "INT32")
    made.set_data_from_numpy(np.array(numbers, np.int32))
    return made


def infer(
    client: grpc_client.InferenceServerClient, model: str, *numbers: int, **parameters: Any
) -> grpc_client.InferResult:
    request_id = parameters.pop("request_id", "")
    return client.infer(
        model,
        [tensor(*numbers)],
        request_id=request_id,
        parameters=parameters,
        client_timeout=TIMEOUT_S,
    )


def failure(
    client: grpc_client.InferenceServerClient, model: str, *numbers: int, **more: Any
) -> str:
    with pytest.raises(InferenceServerException) as caught:
        infer(client, model, *numbers, **more)
    return f"{caught.value.status()} {caught.value.message()}"


@BOTH
def test_a_call_carries_all_that_a_request_has(
    client: grpc_client.InferenceServerClient, where: str
) -> None:
    result = infer(client, f"sync{where}", 1, 2, to="plus", request_id="r1", word="w", number=3)
    assert result.as_numpy("OUT").tolist() == [2, 3]
    seen = {k: v for k, v in result.get_response().parameters.items() if k.startswith("seen_")}
    assert seen["seen_id"].string_param == "r1"
    assert seen["seen_timeout"].int64_param == 7
    assert seen["seen_word"].string_param == "w" and seen["seen_number"].int64_param == 3


@BOTH
def test_large_tensors(client: grpc_client.InferenceServerClient, where: str) -> None:
    numbers = np.arange(500_000, dtype=np.int32)
    made = grpc_client.InferInput("IN", [numbers.size], "INT32")
    made.set_data_from_numpy(numbers)
    for _ in range(5):  # the memory comes back
        result = client.infer(f"sync{where}", [made], parameters={"to": "plus"})
        assert (result.as_numpy("OUT") == numbers + 1).all()


@BOTH
@pytest.mark.parametrize("as_numpy", [False, True], ids=["received", "numpy"])
@pytest.mark.parametrize("empty", [False, True], ids=["full", "empty"])
def test_tensors_of_all_kinds(
    client: grpc_client.InferenceServerClient, where: str, as_numpy: bool, empty: bool
) -> None:
    values: list[Any] = [
        np.array([b"a", b"", "\u00e4".encode()], np.object_),
        np.array([1.5, -2.0], ml_dtypes.bfloat16),
        np.array([2**63 - 1, -7], np.int64),
    ]
    inputs = []
    for number, (value, kind) in enumerate(zip(values, ("BYTES", "BF16", "INT64"), strict=True)):
        values[number] = value = value[:0] if empty else value
        made = grpc_client.InferInput(f"INPUT{number}", [value.size], kind)
        made.set_data_from_numpy(value)
        inputs.append(made)
    result = client.infer(f"pass{where}", inputs, parameters={"as_numpy": as_numpy})
    for number, value in enumerate(values):
        output = result.get_output(f"OUTPUT{number}")
        assert list(output.shape) == [value.size]
        assert output.datatype == inputs[number].datatype()
        if not empty:
            assert result.as_numpy(output.name).tolist() == value.tolist()


@BOTH
def test_large_tensors_of_all_kinds(client: grpc_client.InferenceServerClient, where: str) -> None:
    value = np.array([bytes([65 + i]) * 300_000 for i in range(3)], np.object_)
    halves = np.ones(200_000, ml_dtypes.bfloat16)
    inputs = []
    for number, (data, kind) in enumerate(
        [(value, "BYTES"), (halves, "BF16"), (np.arange(100_000), "INT64")]
    ):
        inputs.append(grpc_client.InferInput(f"INPUT{number}", [data.size], kind))
        inputs[-1].set_data_from_numpy(data)
    result = client.infer(f"pass{where}", inputs, parameters={"as_numpy": True})
    assert result.as_numpy("OUTPUT0").tolist() == value.tolist()
    assert (result.as_numpy("OUTPUT1") == 1).all()
    assert (result.as_numpy("OUTPUT2") == np.arange(100_000)).all()


@BOTH
def test_parameters_of_all_kinds(client: grpc_client.InferenceServerClient, where: str) -> None:
    sent = {"word": "w\u00e4", "number": -(2**63), "yes": True, "share": 0.5}
    result = infer(client, f"sync{where}", 1, to="plus", **sent)
    seen = result.get_response().parameters
    assert seen["seen_word"].string_param == "w\u00e4"
    assert seen["seen_number"].int64_param == -(2**63)
    assert seen["seen_yes"].bool_param is True
    assert seen["seen_share"].double_param == 0.5


@BOTH
def test_a_chain_of_three(client: grpc_client.InferenceServerClient, where: str) -> None:
    result = infer(client, f"sync{where}", 5, to="second,pair,plus")
    assert result.as_numpy("OUT").tolist() == [6]


@BOTH
def test_calls_from_threads(client: grpc_client.InferenceServerClient, where: str) -> None:
    assert infer(client, f"sync{where}", 1, to="plus", threads=8).as_numpy("OUT").tolist() == [16]


@BOTH
def test_async_calls_side_by_side(client: grpc_client.InferenceServerClient, where: str) -> None:
    assert infer(client, f"async{where}", 1, times=50).as_numpy("OUT").tolist() == [100]


@BOTH
@pytest.mark.parametrize("to", ["count", "count_here", "relay", "plus"])
def test_a_decoupled_model_gives_all_its_responses(
    client: grpc_client.InferenceServerClient, where: str, to: str
) -> None:
    expected = [101] if to == "plus" else [sum(range(100))]
    assert infer(client, f"sum{where}", 100, to=to).as_numpy("OUT").tolist() == expected


@BOTH
def test_an_iterator_can_be_cancelled(
    client: grpc_client.InferenceServerClient, where: str
) -> None:
    for _ in range(3):
        result = infer(client, f"sum{where}", 1_000_000, stop_after=3)
        assert result.as_numpy("OUT").tolist() == [3]
    assert infer(client, f"sum{where}", 3).as_numpy("OUT").tolist() == [3]


@BOTH
def test_a_decoupled_model_may_call_when_execute_is_over(
    client: grpc_client.InferenceServerClient, server: ServerProcess, where: str
) -> None:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with grpc_client.InferenceServerClient(server.grpc_url) as streaming:
        streaming.start_stream(lambda result, error: answers.put(error or result))
        streaming.async_stream_infer(f"relay{where}", [tensor(10)])
        got = [answers.get(timeout=TIMEOUT_S).as_numpy("OUT").tolist() for _ in range(10)]
        streaming.stop_stream()
    assert got == [[number] for number in range(10)]


@BOTH
def test_failures_are_responses(client: grpc_client.InferenceServerClient, where: str) -> None:
    """What the inner model fails with, an unknown one, and one that cannot take the request."""
    model = f"sync{where}"
    assert "INVALID_ARGUMENT" in (text := failure(client, model, -1, to="plus"))
    assert "code 3: no negative numbers" in text
    text = failure(client, model, 1, to="nobody")
    assert "code 3: Request for unknown model: 'nobody' is not found" in text
    text = failure(client, model, 1, to="count")
    assert "Please use 'decoupled=True' argument to the 'exec' or 'async_exec' calls" in text
    assert infer(client, model, 1, to="plus").as_numpy("OUT").tolist() == [2]


def test_calls_outside_of_execute_are_refused(client: grpc_client.InferenceServerClient) -> None:
    text = failure(client, "sync", 1, to="plus", outside=True)
    assert "BLS is only supported during the 'execute' function." in text


@BOTH
def test_a_model_that_would_wait_for_itself_is_refused(
    client: grpc_client.InferenceServerClient, where: str
) -> None:
    begun = time.monotonic()
    model = f"sync{where}"
    for path in (f"{model},plus", f"second,{model},plus"):
        text = failure(client, model, 1, to=path)
        assert "code 4" in text and f"all instances of '{model}' wait" in text
    assert time.monotonic() - begun < 5
    assert infer(client, model, 1, to="plus").as_numpy("OUT").tolist() == [2]


def test_two_instances_may_call_each_other(client: grpc_client.InferenceServerClient) -> None:
    assert infer(client, "pair", 1, to="pair,plus").as_numpy("OUT").tolist() == [2]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: outcome(client), range(100)))
    assert set(outcomes) <= {"answered", "refused"}  # never neither
    assert infer(client, "pair", 1, to="pair,plus").as_numpy("OUT").tolist() == [2]


def outcome(client: grpc_client.InferenceServerClient) -> str:
    try:
        infer(client, "pair", 1, to="pair,plus")
    except InferenceServerException as error:
        assert "wait for calls that wait for it" in error.message()
        return "refused"
    return "answered"


@BOTH
def test_asynchronous_calls_are_begun_at_once(
    client: grpc_client.InferenceServerClient, where: str
) -> None:
    assert infer(client, f"eager{where}", 4).as_numpy("OUT").tolist() == [15]


@BOTH
def test_a_large_call(client: grpc_client.InferenceServerClient, where: str) -> None:
    count = 17 << 20  # 68 MiB there, and back
    assert infer(client, f"large{where}", count).as_numpy("OUT").tolist() == [1, count]


@BOTH
def test_models_load_and_unload_models(
    client: grpc_client.InferenceServerClient, where: str
) -> None:
    def manage(**what: Any) -> int:
        return int(infer(client, f"manager{where}", 0, **what).as_numpy("OUT")[0])

    assert manage(do="look", name="plus") == 1
    assert manage(do="look", name="plus", version="1") == 1
    assert manage(do="unload", name="plus") != 1
    assert "plus" in failure(client, f"sync{where}", 1, to="plus")
    assert manage(do="load", name="plus") == 1
    assert infer(client, f"sync{where}", 1, to="plus").as_numpy("OUT").tolist() == [2]
    assert manage(do="look", name="nobody") == 0  # a model asks this before it loads another
    assert manage(do="look", name="plus", version="7") == 0
    assert manage(do="look", name="plus", version="seven") == 2
    text = failure(client, f"manager{where}", 0, do="load", name="nobody")
    assert "Failed to load model: " in text and "nobody" in text
