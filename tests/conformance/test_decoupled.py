# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Decoupled models over both data planes (G-22, G-23, G-25..G-27, H-48, 1.11, 5.1, X-49..X-51)."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import decoupled_models
import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio_client
from server_process import ServerProcess
from tritonclient.grpc import service_pb2 as pb

TIMEOUT_S = 20
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
UNARY = "/inference.GRPCInferenceService/ModelInfer"
FINAL = "triton_final_response"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("decoupled")
    decoupled_models.write_repository(root)
    return root


@pytest.fixture(scope="module")
def server(
    data_plane: str, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(repository, log, f"--data-plane={data_plane}") as started:
        yield started


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc_url) as opened:
        yield opened


def message(
    model: str, values: list[int], request_id: str = "", **parameters: bool | int | str
) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model, id=request_id)
    request.inputs.add(name="IN", datatype="INT32", shape=[len(values)])
    request.raw_input_contents.append(np.array(values, np.int32).tobytes())
    for name, value in parameters.items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(value)]
        setattr(request.parameters[name], kind, value)
    return request


class Stream:
    """One ModelStreamInfer call, a message at a time."""

    def __init__(self, channel: grpc.Channel, **metadata: str) -> None:
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.call = channel.stream_stream(STREAM)(
            iter(self._requests.get, None), timeout=TIMEOUT_S, metadata=tuple(metadata.items())
        )

    def send(self, *requests: pb.ModelInferRequest) -> None:
        for request in requests:
            self._requests.put(request.SerializeToString())

    def receive(self) -> pb.ModelStreamInferResponse:
        return pb.ModelStreamInferResponse.FromString(next(self.call))

    def value(self) -> tuple[str, int]:
        """Id and first output value of the next response, which must not be an error."""
        answer = self.receive()
        assert not answer.error_message
        raw = answer.infer_response.raw_output_contents[0]
        return answer.infer_response.id, int(np.frombuffer(raw, np.int32)[0])

    def rest(self) -> list[pb.ModelStreamInferResponse]:
        """Half-closes; what still comes until the stream ends with OK (G-27)."""
        self._requests.put(None)
        return [pb.ModelStreamInferResponse.FromString(raw) for raw in self.call]


def is_final(answer: pb.ModelStreamInferResponse) -> bool:
    parameter = answer.infer_response.parameters[FINAL]
    assert parameter.WhichOneof("parameter_choice") == "bool_param"
    return parameter.bool_param


def values_of(answers: list[pb.ModelStreamInferResponse]) -> list[list[int]]:
    return [
        [n for raw in a.infer_response.raw_output_contents for n in np.frombuffer(raw, np.int32)]
        for a in answers
    ]


def ask(channel: grpc.Channel) -> tuple[int, int, int]:
    """Of the flood: how many were sent, how many of them after a cancel, how many run."""
    stream = Stream(channel)
    stream.send(message("flood", [0], op="ask"))
    sent, after_cancel, running = values_of(stream.rest())[0]
    return sent, after_cancel, running


def until(condition: Callable[[], bool]) -> None:
    """Polls the server for a state that is on its way."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---------------------------------------------------------------- responses and their end


def test_any_number_of_responses(channel: grpc.Channel) -> None:
    """G-26: a bare end is dropped; no response says that it is final."""
    stream = Stream(channel)
    stream.send(message("square", [3], "a"))
    answers = stream.rest()
    assert values_of(answers) == [[3], [3], [3]]
    assert [is_final(answer) for answer in answers] == [False] * 3
    assert {answer.infer_response.id for answer in answers} == {"a"}


def test_no_response_at_all(channel: grpc.Channel) -> None:
    stream = Stream(channel)
    stream.send(message("square", [0]))
    assert stream.rest() == []


def test_the_empty_final_response(channel: grpc.Channel) -> None:
    """X-49: on opt-in alone; it says who answers, and nothing else."""
    stream = Stream(channel)
    stream.send(message("square", [2], "b", triton_enable_empty_final_response=True))
    *answers, last = stream.rest()
    assert [is_final(answer) for answer in answers] == [False, False]
    expected = pb.ModelInferResponse(model_name="square", model_version="1", id="b")
    expected.parameters[FINAL].bool_param = True
    assert last == pb.ModelStreamInferResponse(infer_response=expected)


def test_the_last_response_may_be_the_final_one(channel: grpc.Channel) -> None:
    """G-26: then there is no empty one, opted in or not."""
    stream = Stream(channel)
    stream.send(
        message("repeat", [4, 5, 6], with_final=True, triton_enable_empty_final_response=True)
    )
    answers = stream.rest()
    assert values_of(answers) == [[4], [5], [6]]
    assert [is_final(answer) for answer in answers] == [False, False, True]


def test_a_bad_opt_in_is_refused(channel: grpc.Channel) -> None:
    stream = Stream(channel)
    stream.send(message("square", [1], triton_enable_empty_final_response=1))
    (answer,) = stream.rest()
    assert "triton_enable_empty_final_response" in answer.error_message


# ---------------------------------------------------------------- order


def test_requests_interleave(channel: grpc.Channel) -> None:
    """G-25: decoupled responses come in the order in which they are made."""
    stream, orders = Stream(channel), Stream(channel)
    stream.send(message("ordered", [1], "1", op="open", key="one"))
    stream.send(message("ordered", [2], "2", op="open", key="two"))
    for key, value in (("two", 2), ("one", 1), ("one", 1), ("two", 2), ("one", 1)):
        orders.send(message("ordered", [1], op="order", key=key))
        assert stream.value() == (str(value), value)
    orders.send(*(message("ordered", [0], op="order", key=key) for key in ("one", "two")))
    assert orders.rest() == []
    assert stream.rest() == []


def test_ordinary_requests_pass_open_ones(channel: grpc.Channel) -> None:
    """G-25: ordinary responses keep the order of their requests, whatever is open beside them."""
    stream, orders = Stream(channel), Stream(channel)
    stream.send(message("ordered", [9], "open", op="open", key="mixed"))
    stream.send(*(message("ordinary", [i], str(i)) for i in range(20)))
    assert [stream.value() for _ in range(20)] == [(str(i), i + 1) for i in range(20)]
    orders.send(message("ordered", [1], op="order", key="mixed"))
    assert stream.value() == ("open", 9)
    orders.send(message("ordered", [0], op="order", key="mixed"))
    assert orders.rest() == stream.rest() == []


def test_an_ensemble_of_a_decoupled_step(channel: grpc.Channel) -> None:
    """S-45: each response of the step goes on; none is no response of the ensemble."""
    stream = Stream(channel)
    stream.send(message("squares", [3], "a"))
    answers = stream.rest()
    assert values_of(answers) == [[4], [4], [4]]
    assert {answer.infer_response.model_name for answer in answers} == {"squares"}
    stream = Stream(channel)
    stream.send(message("squares", [0], "b", triton_enable_empty_final_response=True))
    (last,) = stream.rest()
    assert is_final(last)


# ---------------------------------------------------------------- errors


def test_an_error_among_the_responses(channel: grpc.Channel) -> None:
    """G-25, X-50: model and id are told, the stream and the request go on."""
    stream = Stream(channel)
    stream.send(message("repeat", [1, 2, 3], "r", fail_at=1), message("ordinary", [1], "o"))
    answers = stream.rest()
    failed = [answer for answer in answers if answer.error_message]
    assert [answer.error_message for answer in failed] == ["no 2"]
    source = failed[0].infer_response
    assert (source.model_name, source.model_version, source.id) == ("repeat", "1", "r")
    assert not is_final(failed[0])
    assert sorted(v for value in values_of(answers) for v in value) == [1, 2, 3]


def test_an_error_that_ends_the_stream(channel: grpc.Channel) -> None:
    """X-50: triton_grpc_error; what else is open is cancelled."""
    stream = Stream(channel, triton_grpc_error="true")
    stream.send(message("ordered", [1], op="open", key="doomed"))
    stream.send(message("repeat", [1, 2], fail_at=1))
    assert stream.value()[1] == 1
    with pytest.raises(grpc.RpcError) as caught:
        stream.receive()
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no 2")
    orders = Stream(channel)
    orders.send(message("ordered", [0], op="order", key="doomed"))
    assert orders.rest() == []


@pytest.mark.parametrize(
    ("how", "values", "text"),
    [
        ("forget", [[1]], "dropped a request without its final response"),
        ("no_sender", [], "dropped a request without its final response"),
        ("listed", [], "is using the decoupled mode and the execute function must return None."),
        ("raises", [[1]], "ValueError: half way"),
    ],
)
def test_a_model_that_does_not_end_its_request(
    channel: grpc.Channel, how: str, values: list[list[int]], text: str
) -> None:
    """5.1: the client gets an error, which is final."""
    stream = Stream(channel)
    stream.send(message("odd", [0], "x", how=how))
    *answers, last = stream.rest()
    assert values_of(answers) == values
    assert text in last.error_message
    assert last.infer_response.id == "x"
    assert is_final(last)


def test_a_response_with_an_output_of_another_type(channel: grpc.Channel) -> None:
    stream = Stream(channel)
    stream.send(message("odd", [0], how="wrong_type"))
    other, right = stream.rest()  # contract 5.1: as the model gave it
    assert other.infer_response.outputs[0].datatype == "FP64"
    assert values_of([right]) == [[2]]


def test_misused_senders(channel: grpc.Channel) -> None:
    """5.1: the texts of InferenceResponseSender.send()."""
    stream = Stream(channel)
    stream.send(message("odd", [0], how="misused"))
    (answer,) = stream.rest()
    text = answer.infer_response.raw_output_contents[0]
    assert b"Unable to send response. Unsupported flag provided." in text
    assert b"Inference Response object must be provided when the response flags is set" in text


def test_a_sender_of_an_ordinary_model(server: ServerProcess, channel: grpc.Channel) -> None:
    """5.1, G-23: it sends one response. That stands, also when a second one makes execute raise."""
    stream = Stream(channel)
    stream.send(message("twice", [0]))
    (answer,) = stream.rest()
    assert (answer.error_message, *answer.infer_response.raw_output_contents) == (
        "",
        np.int32(1).tobytes(),
    )
    assert "Non-decoupled model cannot send more than one response." in server.log


def test_where_one_response_is_expected(server: ServerProcess, channel: grpc.Channel) -> None:
    """X-51, G-22, H-48."""
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(UNARY)(message("square", [1]).SerializeToString(), timeout=TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details() == (
        "ModelInfer RPC doesn't support models with decoupled transaction policy"
    )
    tensor = {"name": "IN", "datatype": "INT32", "shape": [1], "data": [1]}
    reply = server.request("POST", "/v2/models/square/infer", {"inputs": [tensor]})
    assert (reply.status, reply.error) == (
        501,
        "HTTP end point doesn't support models with decoupled transaction policy",
    )


# ---------------------------------------------------------------- readers that stop


def test_cancel_stops_the_model(channel: grpc.Channel) -> None:
    """G-27: it can ask, and what it sends nevertheless is thrown away."""
    stream = Stream(channel)
    stream.send(message("flood", [1]))
    assert [stream.value()[1] for _ in range(5)] == [7] * 5
    assert ask(channel)[2] == 1
    stream.call.cancel()
    assert stream.call.code() is grpc.StatusCode.CANCELLED
    until(lambda: ask(channel)[2] == 0)
    assert ask(channel)[1] <= 1


def test_a_client_that_disconnects(server: ServerProcess, channel: grpc.Channel) -> None:
    with grpc.insecure_channel(server.grpc_url) as other:
        stream = Stream(other)
        stream.send(message("flood", [1]))
        stream.value()
    until(lambda: ask(channel)[2] == 0)


@pytest.fixture
def small_window(server: ServerProcess) -> Iterator[grpc.Channel]:
    """A client whose flow control, and not this machine's socket buffers, is what fills up."""
    options = [("grpc.http2.lookahead_bytes", 64 << 10), ("grpc.http2.bdp_probe", 0)]
    with grpc.insecure_channel(server.grpc_url, options) as opened:
        yield opened


def test_a_slow_reader_stops_the_model(
    server: ServerProcess, channel: grpc.Channel, small_window: grpc.Channel
) -> None:
    """Beyond Triton: it holds a bounded number of responses, not the server's memory."""
    before_kib = rss_kib(server)
    stream = Stream(small_window)
    stream.send(message("flood", [16384]))  # 64 KiB each
    stream.value()
    seen: list[int] = []

    def stands_still() -> bool:
        seen.append(ask(channel)[0])
        return len(seen) > 50 and seen[-1] == seen[-50]

    until(stands_still)
    assert 64 <= seen[-1] <= 64 + 64  # the bound, and what the client's window holds
    assert rss_kib(server) - before_kib < 64 << 10
    for _ in range(seen[-1]):
        stream.value()
    until(lambda: ask(channel)[0] > seen[-1])
    stream.call.cancel()
    until(lambda: ask(channel)[2] == 0)


def rss_kib(server: ServerProcess) -> int:
    status = Path(f"/proc/{server.running.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


# ---------------------------------------------------------------- statistics


def test_statistics(server: ServerProcess, channel: grpc.Channel) -> None:
    """1.11: a request counts once, each response by its index."""

    def counted() -> dict[str, Any]:
        stats = server.request("GET", "/v2/models/repeat/stats").json["model_stats"][0]
        assert isinstance(stats, dict)
        return stats

    before = counted()
    stream = Stream(channel)
    stream.send(message("repeat", [1, 2], fail_at=1), message("repeat", [3], with_final=True))
    stream.rest()
    after = counted()
    for name, more in (("inference_count", 2), ("execution_count", 2)):
        assert after[name] - before[name] == more
    successes = [stats["inference_stats"]["success"]["count"] for stats in (before, after)]
    assert successes[1] - successes[0] == 2

    def grown(index: str, kind: str) -> int:
        was = before["response_stats"].get(index, {}).get(kind, {"count": 0})
        return int(after["response_stats"][index][kind]["count"] - was["count"])

    assert (grown("0", "success"), grown("0", "fail")) == (2, 0)
    assert (grown("1", "success"), grown("1", "fail")) == (0, 1)
    assert grown("2", "empty_response") == 1
    assert grown("0", "compute_infer") == grown("0", "compute_output") == 2


# ---------------------------------------------------------------- the stock clients


def tensors(*values: int) -> list[grpc_client.InferInput]:
    tensor = grpc_client.InferInput("IN", [len(values)], "INT32")
    tensor.set_data_from_numpy(np.array(values, np.int32))
    return [tensor]


def test_the_stock_client(server: ServerProcess) -> None:
    """X-49, X-50 through callbacks."""
    answers: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer(
            "repeat", tensors(1, 2, 3), request_id="r", enable_empty_final_response=True
        )
        results = [answers.get(timeout=TIMEOUT_S)[0] for _ in range(4)]
        client.async_stream_infer("repeat", tensors(8), parameters={"fail_at": 0})
        error = answers.get(timeout=TIMEOUT_S)[1]
        client.async_stream_infer("ordinary", tensors(1))
        ordinary = answers.get(timeout=TIMEOUT_S)[0]
        client.stop_stream()
    assert [int(result.as_numpy("OUT")[0]) for result in results[:3]] == [1, 2, 3]
    responses = [result.get_response() for result in results]
    assert [response.parameters[FINAL].bool_param for response in responses] == [False] * 3 + [True]
    assert len(responses[3].outputs) == 0
    assert error.message() == "no 8"
    assert int(ordinary.as_numpy("OUT")[0]) == 2


async def test_a_hundred_streams(server: ServerProcess) -> None:
    async with grpc_aio_client.InferenceServerClient(server.grpc_url) as client:

        async def one(number: int) -> list[int]:
            async def requests() -> AsyncIterator[dict[str, Any]]:
                values = tensors(*range(number, number + 20))
                yield {"model_name": "repeat", "inputs": values}

            return [
                int(result.as_numpy("OUT")[0])
                async for result, _ in client.stream_infer(requests(), stream_timeout=TIMEOUT_S)
            ]

        everything = await asyncio.gather(*(one(number) for number in range(100)))
    assert everything == [list(range(number, number + 20)) for number in range(100)]


def test_a_coroutine_runs_beside_others(channel: grpc.Channel) -> None:
    """5.1: `async def execute` of a decoupled model does not keep the next batch waiting."""
    stream = Stream(channel)
    stream.send(message("asynchronous", [0], "0"), message("asynchronous", [1], "1"))
    assert sorted(stream.value() for _ in range(2)) == [("0", 0), ("1", 1)]
    stream.send(message("asynchronous", [0], "0"), message("asynchronous", [2], "2"))
    answers = {answer.infer_response.id: answer for answer in stream.rest()}
    assert values_of([answers["0"]]) == [[0]]
    assert "ValueError: in the background" in answers["2"].error_message
