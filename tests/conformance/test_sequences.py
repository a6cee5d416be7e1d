# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Sequence models through the stock client (contract 1.8, 2.7, 4.3; X-34..X-39)."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from model_repository import HAVE_ONNX
from sequence_models import write_sequence_models
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

TIMEOUT_S = 20.0
needs_onnx = pytest.mark.skipif(not HAVE_ONNX, reason="onnx and onnxruntime are not installed")


@pytest.fixture(scope="module")
def server(data_plane: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("sequences")
    write_sequence_models(root)
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(root, log, f"--data-plane={data_plane}") as started:
        yield started


@dataclass(frozen=True)
class Caller:
    """One protocol's client."""

    module: Any
    client: Any

    def inputs(self, value: int, *, rows: int | None) -> list[Any]:
        shape = [1] if rows is None else [rows, 1]
        tensor = self.module.InferInput("IN", shape, "INT32")
        tensor.set_data_from_numpy(np.full(shape, value, np.int32))
        return [tensor]

    def infer(
        self,
        model: str,
        sequence: int | str,
        value: int = 0,
        *,
        start: bool = False,
        end: bool = False,
        rows: int | None = 1,
        **options: Any,
    ) -> dict[str, list[int]]:
        """The outputs as flat lists."""
        result = self.client.infer(
            model,
            self.inputs(value, rows=rows),
            sequence_id=sequence,
            sequence_start=start,
            sequence_end=end,
            **options,
        )
        response = result.get_response()
        listed = response["outputs"] if isinstance(response, dict) else response.outputs
        names = [output["name"] if isinstance(output, dict) else output.name for output in listed]
        return {name: result.as_numpy(name).reshape(-1).tolist() for name in names}

    def sum(self, model: str, sequence: int | str, value: int = 0, **flags: Any) -> int:
        return self.infer(model, sequence, value, **flags)["SUM"][0]

    def failure(self, model: str, sequence: int | str, **flags: Any) -> tuple[str, str]:
        """The status and the text of a request that must fail."""
        with pytest.raises(InferenceServerException) as caught:
            self.infer(model, sequence, **flags)
        return caught.value.status(), caught.value.message()


@pytest.fixture(params=["http", "grpc"])
def caller(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Caller]:
    if request.param == "http":
        client = http_client.InferenceServerClient(server.http_url, network_timeout=TIMEOUT_S)
        module: Any = http_client
    else:
        client = grpc_client.InferenceServerClient(server.grpc_url)
        module = grpc_client
    yield Caller(module, client)
    client.close()


BAD_REQUEST = {"400", "StatusCode.INVALID_ARGUMENT"}


def must_start(model: str, sequence: int | str) -> str:
    return (
        f"[request id: <id_unknown>] inference request for sequence {sequence} to model '{model}' "
        f"must specify the START flag on the first request of the sequence"
    )


def test_s_28_controls_reach_the_model(caller: Caller) -> None:
    assert caller.infer("direct", 11, 1, start=True)["SAW"][:2] == [1, 0]
    assert caller.infer("direct", 11, 2)["SAW"][:2] == [0, 0]
    last = caller.infer("direct", 11, 3, end=True)
    assert last["SAW"][:2] == [0, 1]
    assert last["SUM"] == [6]
    once = caller.infer("direct", 11, 7, start=True, end=True)
    assert (once["SAW"][:2], once["SUM"]) == ([1, 1], [7])


def test_s_26_x_36_direct_pads_to_the_highest_slot(caller: Caller) -> None:
    for sequence in (21, 22, 23):
        caller.infer("direct", sequence, sequence, start=True)
    saw = caller.infer("direct", 23, 100)
    assert saw["SUM"] == [123]
    assert saw["SAW"][2:] == [3, 0b100]  # three rows, the last one ready
    assert caller.infer("direct", 21, 100, end=True)["SAW"][2:] == [3, 0b001]
    assert caller.sum("direct", 22, 100, end=True) == 122
    assert caller.sum("direct", 23, 1, end=True) == 124


def test_s_26_without_batching(caller: Caller) -> None:
    assert caller.infer("unbatched", 5, 3, start=True, rows=None)["SAW"] == [1, 0, 1, 1]
    assert caller.sum("unbatched", 5, 4, end=True, rows=None) == 7


def test_s_20_an_id_is_needed(caller: Caller) -> None:
    status, text = caller.failure("direct", 0, start=True)
    assert status in BAD_REQUEST
    assert text == (
        "[request id: <id_unknown>] inference request to model 'direct' must specify a non-zero "
        "or non-empty correlation ID"
    )


def test_s_21_the_first_request_must_start(caller: Caller) -> None:
    status, text = caller.failure("direct", 31)
    assert status in BAD_REQUEST
    assert text == must_start("direct", 31)
    caller.infer("direct", 31, start=True, end=True)
    assert caller.failure("direct", 31)[1] == must_start("direct", 31)


def test_s_22_x_35_start_on_a_live_sequence_restarts_it(caller: Caller) -> None:
    assert caller.sum("direct", 41, 5, start=True) == 5
    assert caller.sum("direct", 41, 6) == 11
    assert caller.sum("direct", 41, 7, start=True) == 7
    assert caller.sum("direct", 41, 1, end=True) == 8


def test_s_22_x_35_it_is_told_to_the_log(caller: Caller, server: ServerProcess) -> None:
    warning = "sequence 42 of model 'direct' was started anew before it had ended"
    before = server.log.count(warning)
    caller.infer("direct", 42, start=True)
    caller.infer("direct", 42, start=True, end=True)
    deadline = time.monotonic() + TIMEOUT_S
    while server.log.count(warning) == before:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)


def test_s_20_x_38_numbers_and_texts_are_distinct(caller: Caller) -> None:
    assert caller.sum("direct", 51, 1, start=True) == 1
    assert caller.failure("direct", "51")[0] in BAD_REQUEST
    caller.infer("direct", 51, end=True)


def test_s_32_the_type_of_the_id(caller: Caller) -> None:
    prefix = "[request id: <id_unknown>] sequence batching control 'CORRID' data-type is"
    status, text = caller.failure("int_ids", "name", start=True)
    assert status in BAD_REQUEST
    assert text == f"{prefix} 'BYTES', but model 'int_ids' expects 'INT32'"
    _, text = caller.failure("text_ids", 7, start=True)
    assert text == f"{prefix} 'UINT64', but model 'text_ids' expects 'BYTES'"


def test_s_28_ids_as_text(caller: Caller) -> None:
    assert caller.sum("text_ids", "first", 1, start=True) == 1
    assert caller.sum("text_ids", "second", 10, start=True) == 10
    assert caller.sum("text_ids", "first", 2, end=True) == 3
    assert caller.sum("text_ids", "second", 2, end=True) == 12


def test_1_8_a_text_id_has_at_most_128_characters(caller: Caller) -> None:
    status, text = caller.failure("text_ids", "x" * 129, start=True)
    assert status in {"501", "StatusCode.UNIMPLEMENTED"}
    assert "string correlation ID cannot be longer than 128 characters" in text


def test_c_22_x_37_batches_of_one_only(caller: Caller) -> None:
    status, text = caller.failure("direct", 61, start=True, rows=2)
    assert status in BAD_REQUEST
    assert text == (
        "[request id: <id_unknown>] inference request to model 'direct' must specify batch-size 1 "
        "due to requirements of sequence batcher"
    )


def test_s_25_x_34_an_idle_sequence_ends_silently(caller: Caller) -> None:
    assert caller.sum("idle", 71, 1, start=True) == 1
    # There is one slot: the next sequence gets it when the first has been idle for long enough.
    assert caller.sum("idle", 72, 2, start=True) == 2
    assert caller.failure("idle", 71)[1] == must_start("idle", 71)
    caller.infer("idle", 72, end=True)


def test_s_24_the_backlog_times_out(caller: Caller) -> None:
    caller.infer("one_slot", 81, start=True)
    status, text = caller.failure("one_slot", 82, start=True, timeout=50_000)
    assert status in {"503", "StatusCode.UNAVAILABLE"}
    assert text == "timeout of the corresponding sequence has been expired"
    assert caller.failure("one_slot", 82)[1] == must_start("one_slot", 82)
    caller.infer("one_slot", 81, end=True)


def test_s_29_cancelling_frees_the_place(server: ServerProcess) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        caller = Caller(grpc_client, client)
        caller.infer("one_slot", 91, start=True)
        call = client.async_infer(
            "one_slot",
            caller.inputs(1, rows=1),
            lambda result, error: answers.put((result, error)),
            sequence_id=92,
            sequence_start=True,
        )
        call.cancel()
        _, error = answers.get(timeout=TIMEOUT_S)
        assert error.status() == "StatusCode.CANCELLED"
        caller.infer("one_slot", 91, end=True)
        assert caller.failure("one_slot", 92)[1] == must_start("one_slot", 92)


def test_m_2_synchronous_refusals_are_not_counted(server: ServerProcess) -> None:
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        caller = Caller(grpc_client, client)
        before = client.get_inference_statistics("direct").model_stats[0].inference_stats.fail.count
        caller.failure("direct", 95)
        after = client.get_inference_statistics("direct").model_stats[0].inference_stats.fail.count
    assert after == before


def test_g_25_two_sequences_over_one_stream(server: ServerProcess) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    steps = 20
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        caller = Caller(grpc_client, client)
        client.start_stream(lambda result, error: answers.put((result, error)))
        for step in range(steps):
            for sequence in (101, 102):
                client.async_stream_infer(
                    "direct",
                    caller.inputs(sequence, rows=1),
                    request_id=f"{sequence}-{step}",
                    sequence_id=sequence,
                    sequence_start=step == 0,
                    sequence_end=step == steps - 1,
                )
        seen: dict[str, list[int]] = {"101": [], "102": []}
        for _ in range(2 * steps):
            result, error = answers.get(timeout=TIMEOUT_S)
            assert error is None, error
            sequence, step_text = result.get_response().id.split("-")
            seen[sequence].append(int(step_text))
            expected = int(sequence) * (int(step_text) + 1)
            assert result.as_numpy("SUM").item() == expected
        client.stop_stream()
    assert seen == {"101": list(range(steps)), "102": list(range(steps))}


def test_c_21_a_python_model_has_a_state(caller: Caller) -> None:
    assert caller.infer("python_state", 111, 5, start=True) == {"SUM": [5]}
    assert caller.sum("python_state", 112, 50, start=True) == 50
    assert caller.sum("python_state", 111, 6) == 11
    assert caller.sum("python_state", 112, 60) == 110
    assert caller.sum("python_state", 111, 7, start=True) == 7


def test_s_41_a_step_of_an_ensemble_may_be_a_sequence_model(caller: Caller) -> None:
    assert caller.sum("ensemble", 115, 5, start=True) == 5
    assert caller.sum("ensemble", 115, 6, end=True) == 11
    _, text = caller.failure("ensemble", 115)
    assert text == f"in ensemble 'ensemble', {must_start('python_state', 115)}"


def test_s_31_iterative_sequences(caller: Caller) -> None:
    assert caller.sum("iterative", 0, 4) == 4
    assert caller.sum("iterative", 0, 1) == 1
    assert caller.sum("iterative", 121, 3, start=True) == 3


@dataclass
class Stream:
    """A gRPC stream to decoupled models."""

    client: Any
    answers: queue.Queue[tuple[Any, Any]]

    def ask(self, model: str, value: int, **flags: Any) -> None:
        caller = Caller(grpc_client, self.client)
        self.client.async_stream_infer(model, caller.inputs(value, rows=1), **flags)

    def sums(self, count: int) -> list[int]:
        """Of the next responses; all are to be successes."""
        found = [self.answers.get(timeout=TIMEOUT_S) for _ in range(count)]
        assert not any(error for _, error in found), found
        return [result.as_numpy("SUM").item() for result, _ in found]


@pytest.fixture
def stream(server: ServerProcess) -> Iterator[Stream]:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        yield Stream(client, answers)
        client.stop_stream()


def test_s_31_a_decoupled_model_tells_every_step(stream: Stream) -> None:
    stream.ask("stream", 4)
    assert stream.sums(4) == [1, 2, 3, 4]
    stream.ask("stream", 2, sequence_id=122, sequence_start=True, sequence_end=True)
    assert stream.sums(2) == [1, 2]


def test_s_31_a_decoupled_model_must_be_configured_for_it_too(stream: Stream) -> None:
    stream.ask("stream_direct", 2, sequence_id=123, sequence_start=True, sequence_end=True)
    assert stream.sums(1) == [1]
    _, error = stream.answers.get(timeout=TIMEOUT_S)
    assert "while the model is not configured to handle such a flag" in str(error)


def test_s_26_what_a_decoupled_model_sends_for_padding_is_dropped(stream: Stream) -> None:
    for sequence in (125, 126):
        stream.ask("stream_direct", 1, sequence_id=sequence, sequence_start=True)
        assert stream.sums(1) == [1]
    for _ in range(5):
        stream.ask("stream_direct", 1, sequence_id=126)
        assert stream.sums(1) == [1]
    for sequence in (125, 126):
        stream.ask("stream_direct", 1, sequence_id=sequence, sequence_end=True)
        assert stream.sums(1) == [1]
    assert stream.answers.empty()


def test_s_31_a_rescheduled_request_has_no_response(caller: Caller) -> None:
    _, text = caller.failure("iterative", 0, value=-1)
    assert text.endswith(
        "message: Expected a None object in the execute function return list for reschduled "
        "request, found type '<class 'penstock.backends.python.pb_utils.response."
        "InferenceResponse'>'."
    )


def test_s_31_only_where_it_is_configured(caller: Caller) -> None:
    sequence = 131 if caller.module is http_client else 132  # the model remembers it
    status, text = caller.failure("not_iterative", sequence, start=True, value=3)
    assert status in BAD_REQUEST
    assert text == (
        "[request id: <id_unknown>] Request is released with "
        "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not configured to handle "
        "such a flag."
    )


@needs_onnx
@pytest.mark.parametrize("model", ["onnx_direct", "onnx_oldest"])
def test_c_21_s_30_an_onnx_model_has_a_state(caller: Caller, model: str) -> None:
    for sequence in (141, 142, 143):
        assert caller.infer(model, sequence, sequence, start=True) == {"SUM": [sequence]}
    assert caller.sum(model, 143, 1) == 144
    assert caller.sum(model, 141, 1) == 142
    assert caller.sum(model, 141, 9, start=True) == 9
    assert caller.sum(model, 142, 2, end=True) == 144
    for sequence in (141, 143):
        caller.infer(model, sequence, end=True)


@needs_onnx
def test_c_20_x_39_an_initial_state_from_a_file_and_a_state_that_is_shown(caller: Caller) -> None:
    assert caller.infer("onnx_shown", 151, 1, start=True) == {"SUM": [11], "TOTAL_OUT": [11]}
    assert caller.infer("onnx_shown", 151, 2, end=True) == {"SUM": [13], "TOTAL_OUT": [13]}


@needs_onnx
def test_s_30_the_shape_of_a_state_may_grow(caller: Caller) -> None:
    for step in range(1, 5):
        answer = caller.infer("onnx_history", 161, step, start=step == 1, rows=None)
        assert answer["SUM"] == list(range(1, step + 1))
    assert caller.infer("onnx_history", 161, 9, start=True, end=True, rows=None)["SUM"] == [9]


@needs_onnx
def test_2_7_clients_do_not_see_controls_and_states(caller: Caller) -> None:
    for model, outputs in (("direct", {"SUM", "SAW"}), ("onnx_shown", {"SUM", "TOTAL_OUT"})):
        found = caller.client.get_model_metadata(model)
        metadata = found if isinstance(found, dict) else None
        inputs = metadata["inputs"] if metadata else found.inputs
        names = {tensor["name"] if metadata else tensor.name for tensor in inputs}
        assert names == {"IN"}
        listed = metadata["outputs"] if metadata else found.outputs
        assert {tensor["name"] if metadata else tensor.name for tensor in listed} == outputs


def initial(dims: str, file: str) -> str:
    return (
        f'{dims} initial_state [ {{ name: "f" data_type: TYPE_INT32 {dims} data_file: "{file}" }} ]'
    )


#: by model: the rest of its state, and why it does not load
BAD_STATES = {
    "short": (
        initial("dims: [ 2 ]", "ten"),
        "initial_state setting expects 8 bytes, but the data provided from tenonly has 4 bytes.",
    ),
    "missing": (
        initial("dims: [ 1 ]", "no"),
        "unable to read initial state file 'no' of model 'missing': No such file or directory",
    ),
    "outside": (
        initial("dims: [ 1 ]", "../config.pbtxt"),
        "initial state file '../config.pbtxt' of model 'outside' is outside 'initial_state' of the "
        "model directory",
    ),
}


def test_c_20_states_that_cannot_be_read_fail_the_load(tmp_path: Path) -> None:
    repository = tmp_path / "models"
    for name, (state, _) in BAD_STATES.items():
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "initial_state").mkdir()
        (repository / name / "initial_state" / "ten").write_bytes(bytes(4))
        (repository / name / "1" / "model.py").write_text("class TritonPythonModel:\n    pass\n")
        (repository / name / "config.pbtxt").write_text(
            'backend: "python" max_batch_size: 1\n'
            'input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]\n'
            'output [ { name: "SUM" data_type: TYPE_INT32 dims: [ 1 ] } ]\n'
            'sequence_batching { state [ { input_name: "I" output_name: "O" data_type: TYPE_INT32 '
            f"{state} }} ] }}\n"
        )
    options = ("--strict-readiness=false", "--exit-on-error=false")
    with ServerProcess(repository, tmp_path / "log", *options) as started:
        index = started.request("POST", "/v2/repository/index", {}).json
    reasons = {entry["name"]: entry["reason"] for entry in index}
    assert reasons == {name: text for name, (_, text) in BAD_STATES.items()}
