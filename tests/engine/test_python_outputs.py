# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a `model.py` answers with is sent as it was when `execute` returned (contract 5.1).

`respond` sees who else can reach an array; the pool's bytes in use tell whether it was copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from engine_calls import Bench
from penstock import _engine
from penstock.backends.python import pb_utils
from penstock.backends.python.pb_utils.request import ClientRequest
from penstock.errors import InternalError

LARGE = 30_000


def response(array: np.ndarray) -> pb_utils.InferenceResponse:
    return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", array)])


class Sent:
    """One request, answered with responses[0]; `change` runs between the answer and its sending."""

    def __init__(
        self, responses: list[Any], change: Callable[[], Any] = lambda: None, values: Any = (1, 2)
    ) -> None:
        bench = Bench(native=False)
        call, answer = bench.submit(values)
        batch = bench.next()
        before = bench.in_use()
        self.failures = _engine.respond(batch, responses)
        self.copied = bench.in_use() > before
        change()
        bench.model.complete(0, batch)
        bench.wait(answer)
        message, json_bytes = call.encode()
        self.values = np.frombuffer(message[json_bytes:], np.float32)


def ones() -> np.ndarray:
    return np.ones((1, LARGE), np.float32)


class TestWhoOwnsAnArray:
    def test_an_array_that_was_let_go_of_is_not_copied(self) -> None:
        sent = Sent([response(ones())])
        assert not sent.copied
        assert (sent.values == 1).all()

    def test_a_view_of_such_an_array_is_not_copied(self) -> None:
        assert not Sent([response(np.ones(LARGE, np.float32).reshape(1, -1))]).copied

    def test_a_kept_array(self) -> None:
        kept = ones()
        sent = Sent([response(kept)], lambda: kept.fill(7))
        assert sent.copied
        assert (sent.values == 1).all()

    def test_a_view_of_a_kept_array(self) -> None:
        kept = np.ones(LARGE, np.float32)
        sent = Sent([response(kept.reshape(1, -1))], lambda: kept.fill(7))
        assert (sent.values == 1).all()

    def test_a_kept_tensor(self) -> None:
        kept = pb_utils.Tensor("OUTPUT0", ones())
        sent = Sent([pb_utils.InferenceResponse([kept])], lambda: kept.as_numpy().fill(7))
        assert (sent.values == 1).all()

    def test_a_kept_response(self) -> None:
        kept = response(ones())
        sent = Sent([kept], lambda: kept.output_tensors()[0].as_numpy().fill(7))
        assert (sent.values == 1).all()

    def test_a_kept_list_of_tensors(self) -> None:
        responses = [response(ones())]
        kept = responses[0].output_tensors()
        sent = Sent(responses, lambda: kept[0].as_numpy().fill(7))
        assert (sent.values == 1).all()

    def test_small_arrays_are_always_copied(self) -> None:
        assert Sent([response(np.ones((1, 4), np.float32))]).copied

    def test_memory_of_others(self) -> None:
        kept = bytearray(4 * LARGE)
        view = np.frombuffer(kept, np.float32).reshape(1, -1)
        responses = [response(view)]
        del view
        sent = Sent(responses, lambda: kept.__setitem__(slice(None), b"\1" * len(kept)))
        assert (sent.values == 0).all()

    def test_dlpack(self) -> None:
        kept = ones()
        foreign = pb_utils.Tensor.from_dlpack("OUTPUT0", kept)
        sent = Sent([pb_utils.InferenceResponse([foreign])], lambda: kept.fill(7))
        assert (sent.values == 1).all()


def requests_of(batch: _engine.Batch) -> list[ClientRequest]:
    return _engine.model_requests(batch, ClientRequest, pb_utils.Tensor)


class TestRequests:
    def test_an_input_is_passed_on_uncopied(self) -> None:
        bench = Bench(native=False)
        call, answer = bench.submit(range(LARGE))
        batch = bench.next()
        before = bench.in_use()
        received = requests_of(batch)[0].inputs()[0].to_dlpack()
        tensor = _engine.model_tensor(
            pb_utils.Tensor, "OUTPUT0", _engine.tensor_from_dlpack(received)
        )
        assert _engine.respond(batch, [pb_utils.InferenceResponse([tensor])]) == []
        assert bench.in_use() == before
        bench.model.complete(0, batch)
        bench.wait(answer)
        message, json_bytes = call.encode()
        assert np.frombuffer(message[json_bytes:], np.float32).tolist() == list(range(LARGE))

    @pytest.mark.parametrize("count", [4, LARGE])
    def test_an_array_that_is_kept_outlives_its_request(self, count: int) -> None:
        bench = Bench(native=False)
        kept = []
        for i in range(20):
            call, answer = bench.submit(np.full(count, i))
            batch = bench.next()
            request = requests_of(batch)[0]
            kept.append(request.inputs()[0].as_numpy())
            batch.fail(0, 1, "no")
            bench.model.complete(0, batch)
            bench.wait(answer)
            with pytest.raises(InternalError):
                call.encode()
        assert all((array == i).all() for i, array in enumerate(kept))

    def test_a_request_that_is_kept_ends_with_its_batch(self) -> None:
        bench = Bench(native=False)
        _, answer = bench.submit((1, 2))
        batch = bench.next()
        request = requests_of(batch)[0]
        assert request.request_id() == ""
        batch.fail(0, 1, "no")
        bench.model.complete(0, batch)
        bench.wait(answer)
        with pytest.raises(Exception, match="the batch has been completed"):
            request.request_id()
        assert request.inputs()[0].as_numpy().tolist() == [[1, 2]]

    def test_objects_that_skipped_init_are_refused(self) -> None:
        empty = pb_utils.Tensor.__new__(pb_utils.Tensor)
        for call in (empty.as_numpy, empty.shape, empty.triton_dtype):
            with pytest.raises(InternalError, match="a tensor without data"):
                call()


class TestFailures:
    def test_each_response_fails_alone(self) -> None:
        bench = Bench(native=False, dynamic_batching=True)
        submitted = [bench.submit() for _ in range(4)]
        batch = bench.next()
        wrong = pb_utils.InferenceResponse(error=pb_utils.TritonError("no"))
        responses = [response(np.ones((1, 2), np.float32)), None, wrong, response(np.ones(1))]
        (none, no_answer), (third, error), (last, failure) = _engine.respond(batch, responses)
        assert (none, no_answer, third, error) == (1, None, 2, wrong.error())
        assert last == 3
        assert "Expected FP32, got FP64" in str(failure)
        batch.fail_all(1, "failed")
        bench.model.complete(0, batch)
        bench.wait(*(answer for _, answer in submitted))

    def test_a_string_that_fails_to_become_one(self) -> None:
        class Bad:
            def __str__(self) -> str:
                raise SystemExit

        bench = Bench(native=False)
        _, answer = bench.submit()
        batch = bench.next()
        ((index, failure),) = _engine.respond(batch, [response(np.array([[Bad()]], object))])
        assert index == 0
        assert isinstance(failure, SystemExit)
        batch.fail_all(1, "failed")
        bench.model.complete(0, batch)
        bench.wait(answer)
