# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""examples/python_models under the stock client: the `model.py` API as contract 5.1 has it."""

from __future__ import annotations

import queue
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TIMEOUT_S = 20
HERE = 'parameters { key: "EXECUTION_MODE", value: { string_value: "in_process" } }\n'

LEFT = np.array([1, 2, 3, 4], np.float32)
RIGHT = np.array([5, 6, 7, 8], np.float32)
PAIR = {"INPUT0": LEFT, "INPUT1": RIGHT}


@pytest.fixture(scope="module", params=["process", "in_process"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """As they are, in worker processes; and all in the server."""
    root = tmp_path_factory.mktemp("examples")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(EXAMPLES / "python_models", root, dirs_exist_ok=True, ignore=ignore)
    shutil.copytree(EXAMPLES / "models" / "add_sub", root / "add_sub", ignore=ignore)
    if request.param == "in_process":
        for model in root.iterdir():
            with (model / "config.pbtxt").open("a") as config:
                config.write(HERE)
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log") as started:
        yield started


@pytest.fixture(params=[http_client, grpc_client], ids=["http", "grpc"])
def client(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[Any]:
    url = server.http_url if request.param is http_client else server.grpc_url
    with request.param.InferenceServerClient(url) as made:
        made.library = request.param
        yield made


@pytest.fixture
def stream(server: ServerProcess) -> Iterator[Any]:
    with grpc_client.InferenceServerClient(server.grpc_url) as made:
        yield made


def inputs(library: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> list[Any]:
    made = []
    for name, array in arrays.items():
        tensor = library.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        made.append(tensor)
    return made


def infer(client: Any, model: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    return client.infer(model, inputs(client.library, arrays))


def failure(client: Any, model: str, arrays: dict[str, np.ndarray[Any, Any]]) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as caught:
        infer(client, model, arrays)
    return caught.value.status(), caught.value.message()


def streamed(
    client: Any, model: str, *requests: dict[str, np.ndarray[Any, Any]]
) -> list[tuple[str, Any]]:
    """Request id and result, or the error, of every response until all requests have ended."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.start_stream(lambda result, error: answers.put(error or result))
    for number, arrays in enumerate(requests):
        client.async_stream_infer(
            model,
            inputs(grpc_client, arrays),
            request_id=str(number),
            enable_empty_final_response=True,
        )
    got: list[tuple[str, Any]] = []
    left = len(requests)
    while left:
        answer = answers.get(timeout=TIMEOUT_S)
        if isinstance(answer, InferenceServerException):
            got.append(("", answer))
            left -= 1
            continue
        response = answer.get_response()
        if response.outputs:
            got.append((response.id, answer))
        left -= response.parameters["triton_final_response"].bool_param
    client.stop_stream()
    return got


def test_add_sub(client: Any) -> None:
    answer = infer(client, "add_sub", PAIR)
    assert answer.as_numpy("OUTPUT0").tolist() == [6, 8, 10, 12]
    assert answer.as_numpy("OUTPUT1").tolist() == [-4, -4, -4, -4]


def test_bls(client: Any) -> None:
    assert infer(client, "bls", PAIR).as_numpy("OUTPUT").tolist() == [-24, -32, -40, -48]


def test_bls_without_the_model_that_it_calls(tmp_path: Path) -> None:
    """An unknown model is an error response, not an exception (5.1, BLS rules)."""
    shutil.copytree(EXAMPLES / "python_models" / "bls", tmp_path / "models" / "bls")
    with (
        ServerProcess(tmp_path / "models", tmp_path / "server.log") as alone,
        http_client.InferenceServerClient(alone.http_url) as client,
    ):
        client.library = http_client
        status, text = failure(client, "bls", PAIR)
    assert (status, text) == ("400", "Request for unknown model: 'add_sub' is not found")


def test_bls_async(client: Any) -> None:
    answer = infer(client, "bls_async", PAIR)
    assert answer.as_numpy("SUM").tolist() == [6, 8, 10, 12]
    assert answer.as_numpy("DIFFERENCE").tolist() == [-4, -4, -4, -4]
    assert answer.as_numpy("PRODUCT").tolist() == [5, 12, 21, 32]


def test_auto_complete(client: Any) -> None:
    """R-10: what the model says is the configuration that clients see."""
    config = client.get_model_config("auto_complete")
    if client.library is http_client:
        assert config["max_batch_size"] == 8
        assert [tensor["name"] for tensor in config["input"]] == ["INPUT0", "INPUT1"]
        assert config["output"][0]["data_type"] == "TYPE_FP32"
        assert "dynamic_batching" in config
    else:
        assert config.config.max_batch_size == 8
    rows = {name: np.stack([array, array]) for name, array in PAIR.items()}
    product = infer(client, "auto_complete", rows).as_numpy("OUTPUT")
    assert product.tolist() == [[5, 12, 21, 32]] * 2
    other = {"INPUT0": LEFT[None], "INPUT1": RIGHT[None, :2]}
    status, text = failure(client, "auto_complete", other)
    assert "INVALID_ARGUMENT" in status or status == "400"
    assert text == "INPUT0 has shape (1, 4), INPUT1 (1, 2)"


def repeat(values: list[int], delay_ms: int) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "IN": np.array(values, np.int32),
        "DELAY": np.full(len(values), delay_ms, np.uint32),
    }


def test_repeat(stream: Any) -> None:
    """Several requests at once: each has its own responses, in its order."""
    wanted = [[4, 2, 0, 1], [], [7]]
    got = streamed(stream, "repeat", *(repeat(values, 5) for values in wanted))
    for number, values in enumerate(wanted):
        own = [answer for key, answer in got if key == str(number)]
        assert [int(answer.as_numpy("OUT")[0]) for answer in own] == values
        assert [int(answer.as_numpy("IDX")[0]) for answer in own] == list(range(len(values)))


def test_repeat_does_not_keep_others_waiting(stream: Any) -> None:
    """`execute` returns at once: a short request ends while a long one goes on."""
    got = streamed(stream, "repeat", repeat([1] * 10, 100), repeat([2], 0))
    assert [key for key, _ in got].index("1") < 9


def test_repeat_refuses(stream: Any) -> None:
    odd = {"IN": np.zeros(3, np.int32), "DELAY": np.zeros(2, np.uint32)}
    ((_, error),) = streamed(stream, "repeat", odd)
    assert error.message() == "IN has 3 elements, DELAY 2"


def test_a_decoupled_model_needs_a_stream(client: Any) -> None:
    _, text = failure(client, "square", {"IN": np.array([2], np.int32)})
    assert "decoupled" in text


def test_square(stream: Any) -> None:
    numbers = [4, 2, 0, 1]
    got = streamed(stream, "square", *({"IN": np.array([n], np.int32)} for n in numbers))
    for index, number in enumerate(numbers):
        own = [int(answer.as_numpy("OUT")[0]) for key, answer in got if key == str(index)]
        assert own == [number] * number


def test_preprocessing(client: Any) -> None:
    texts = ["The river flows through the mill.", "", "A water-wheel " + "turns " * 20]
    array = np.array([[text.encode()] for text in texts], np.object_)
    answer = infer(client, "preprocessing", {"TEXT": array})
    words = (EXAMPLES / "python_models/preprocessing/vocabulary.txt").read_text().splitlines()
    ids = answer.as_numpy("IDS")
    assert ids.shape == (3, 16)
    read = [[words[number] for number in row if number] for row in ids]
    assert read[0] == ["the", "river", "flows", "through", "the", "mill"]
    assert read[1] == []
    assert read[2] == ["a", "water", "wheel"] + ["turns"] * 13
    assert (answer.as_numpy("MASK") == (ids != 0)).all()


def test_preprocessing_refuses(client: Any) -> None:
    status, text = failure(client, "preprocessing", {"TEXT": np.array([[b"\xff"]], np.object_)})
    assert "INVALID_ARGUMENT" in status or status == "400"
    assert text.startswith("TEXT is not UTF-8: ")


def test_custom_metrics(client: Any, server: ServerProcess) -> None:
    labels = 'model="custom_metrics",version="1"'
    values, sizes = f"example_values{{{labels}}}", "example_request_values"
    before = server.metrics()
    for size in (3, 12):
        total = infer(client, "custom_metrics", {"INPUT": np.ones(size, np.float32)})
        assert total.as_numpy("OUTPUT").tolist() == [size]
    # What a worker has counted is told to the server beside the answer, and may be seen after it.
    expected = {
        values: 15,
        f"{sizes}_count{{{labels}}}": 2,
        f'{sizes}_bucket{{le="10.0",{labels}}}': 1,
        f'{sizes}_bucket{{le="100.0",{labels}}}': 2,
    }

    def seen() -> tuple[dict[str, float], float]:
        after = server.metrics()
        more = {name: after.get(name, 0) - before.get(name, 0) for name in expected}
        return more, after[f"example_largest{{{labels}}}"]

    give_up = time.monotonic() + TIMEOUT_S
    while (now := seen()) != (expected, 12) and time.monotonic() < give_up:
        pass
    assert now == (expected, 12)


def test_instance_kind(client: Any, server: ServerProcess) -> None:
    answer = infer(client, "instance_kind", {"INPUT": np.array([True])})
    assert answer.as_numpy("KIND").tolist() == [b"CPU"]
    assert answer.as_numpy("DEVICE_ID").tolist() == [0]
    assert answer.as_numpy("INSTANCE").tolist()[0] in (b"instance_kind_0_0", b"instance_kind_0_1")
    for index in range(2):
        assert f"instance_kind_0_{index} is of kind CPU, device 0" in server.log
