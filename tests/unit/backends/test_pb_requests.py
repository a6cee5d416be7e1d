# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Requests, responses, senders and errors of triton_python_backend_utils (contract 5.1)."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from unittest.mock import Mock, call

import numpy as np
import pytest
from penstock.backends.python import pb_utils
from penstock.backends.python.pb_utils import calls, control
from penstock.backends.python.pb_utils.response import InferenceResponseSender, Reply, ReplyStream
from penstock.errors import NotFoundError

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


def tensor(name: str = "x") -> pb_utils.Tensor:
    return pb_utils.Tensor(name, np.zeros(1, np.float32))


async def awaited(request: pb_utils.InferenceRequest) -> object:
    return await request.async_exec()


class TestRequest:
    def test_what_it_was_made_with(self) -> None:
        request = pb_utils.InferenceRequest(
            request_id="id",
            correlation_id="c",
            inputs=[tensor()],
            requested_output_names=["y"],
            model_name="m",
            flags=pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
            timeout=5,
            parameters={"a": 1, "b": True, "c": "s", "d": 0.5},
        )
        assert request.request_id() == "id"
        assert request.correlation_id() == "c"
        assert [t.name() for t in request.inputs()] == ["x"]
        assert request.requested_output_names() == {"y"}
        assert request.flags() == 1
        request.set_flags(pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END)
        assert request.flags() == 2
        assert request.timeout() == 5
        assert json.loads(request.parameters()) == {"a": 1, "b": True, "c": "s", "d": 0.5}
        assert request.preferred_memory().preferred_device_id == 0
        assert request.trace().get_context() is None
        assert not request.is_cancelled()
        assert pb_utils.get_input_tensor_by_name(request, "x") is request.inputs()[0]
        assert pb_utils.get_input_tensor_by_name(request, "z") is None

    def test_parameters_have_checked_types(self) -> None:
        with pytest.raises(
            pb_utils.TritonModelException,
            match="^Expect parameters keys to have type str, found type <class 'int'>$",
        ):
            pb_utils.InferenceRequest(parameters={1: "a"})  # type: ignore[dict-item]
        with pytest.raises(pb_utils.TritonModelException, match="Expect parameters values"):
            pb_utils.InferenceRequest(parameters={"a": [1]})  # type: ignore[dict-item]

    def test_names_may_be_elements_of_string_tensors(self) -> None:
        """Triton's own BLS example calls the model that an input names."""
        request = pb_utils.InferenceRequest(
            request_id=b"id", model_name=b"m", requested_output_names=[b"y", "z"], inputs=[tensor()]
        )
        assert request.request_id() == "id" and request._model_name == "m"
        assert request.requested_output_names() == {"y", "z"}
        assert pb_utils.Tensor(b"x", np.zeros(1)).name() == "x"
        assert pb_utils.TritonError(np.bytes_(b"why")).message() == "why"
        with pytest.raises(TypeError, match="the model_name of a request must be a str, found"):
            pb_utils.InferenceRequest(model_name=5)  # type: ignore[arg-type]

    def test_outputs_and_correlation_ids_have_checked_types(self) -> None:
        with pytest.raises(pb_utils.TritonModelException, match="must be integer or string"):
            pb_utils.InferenceRequest(correlation_id=1.5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="must be a list of str, found 'OUT'"):
            pb_utils.InferenceRequest(requested_output_names="OUT")
        with pytest.raises(pb_utils.TritonModelException, match="should not be empty"):
            pb_utils.InferenceRequest(requested_output_names=["OUT", ""])

    def test_inputs_have_checked_types(self) -> None:
        with pytest.raises(TypeError, match="inputs must hold Tensor objects, found"):
            pb_utils.InferenceRequest(inputs=[np.zeros(1)])  # type: ignore[list-item]

    def test_no_call_of_other_models(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(calls, "_ports", None)  # no server was ever started in this process
        request = pb_utils.InferenceRequest(model_name="other")
        text = "^BLS is only supported during the 'execute' function.$"
        with pytest.raises(pb_utils.TritonModelException, match=text):
            request.exec()
        with pytest.raises(pb_utils.TritonModelException, match=text):
            asyncio.run(awaited(request))
        with pytest.raises(RuntimeError, match="no running event loop"):
            request.async_exec()

    def test_release_flags(self) -> None:
        request = pb_utils.InferenceRequest()
        request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
        assert request._rescheduled
        request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_ALL)
        assert not request._rescheduled
        with pytest.raises(pb_utils.TritonModelException, match="4 is not a release flag"):
            request.set_release_flags(4)


class TestResponse:
    def test_outputs_error_and_parameters(self) -> None:
        response = pb_utils.InferenceResponse([tensor("y")], parameters={"k": 2})
        assert pb_utils.get_output_tensor_by_name(response, "y") is response.output_tensors()[0]
        assert pb_utils.get_output_tensor_by_name(response, "z") is None
        assert not response.has_error()
        assert response.error() is None
        assert json.loads(response.parameters()) == {"k": 2}

    def test_nothing_is_a_response_too(self) -> None:
        assert pb_utils.InferenceResponse().output_tensors() == []
        assert json.loads(pb_utils.InferenceResponse().parameters()) == {}

    def test_an_error(self) -> None:
        error = pb_utils.TritonError("no", pb_utils.TritonError.NOT_FOUND)
        response = pb_utils.InferenceResponse(error=error)
        assert response.has_error()
        assert response.error() is error
        assert (error.message(), error.code(), str(error)) == ("no", 2, "no")
        assert pb_utils.TritonError("x").code() == pb_utils.TritonError.INTERNAL

    def test_checked_types(self) -> None:
        with pytest.raises(TypeError, match="output_tensors must hold Tensor objects"):
            pb_utils.InferenceResponse([np.zeros(1)])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="error must be a TritonError"):
            pb_utils.InferenceResponse([], error="no")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="99"):
            pb_utils.TritonError("x", 99)


class TestSender:
    def make(self) -> tuple[Reply, InferenceResponseSender]:
        reply = Reply()
        return reply, InferenceResponseSender(reply, pb_utils.InferenceRequest())

    def refused(self, sender: InferenceResponseSender, *args: object) -> str:
        with pytest.raises(pb_utils.TritonModelException) as caught:
            sender.send(*args)  # type: ignore[arg-type]
        return str(caught.value)

    def test_one_response_then_the_end(self) -> None:
        reply, sender = self.make()
        response = pb_utils.InferenceResponse()
        assert reply.response is None
        sender.send(response)
        assert reply.response is response
        sender.send(flags=FINAL)
        assert self.refused(sender, response) == (
            "Unable to send response. Response sender has been closed."
        )

    def test_both_at_once(self) -> None:
        reply, sender = self.make()
        response = pb_utils.InferenceResponse()
        sender.send(response, FINAL)
        assert reply.response is response
        assert self.refused(sender, None, FINAL) == (
            "Unable to send response. Response sender has been closed."
        )

    def test_what_is_refused(self) -> None:
        _, sender = self.make()
        response = pb_utils.InferenceResponse()
        assert self.refused(sender, response, 7) == (
            "Unable to send response. Unsupported flag provided."
        )
        assert self.refused(sender, None, 0) == (
            "Inference Response object must be provided when the response flags is set to zero."
        )
        assert self.refused(sender, None, FINAL) == (
            "Unable to send response. Non-decoupled model cannot send complete final before "
            "sending a response."
        )
        sender.send(response)
        assert self.refused(sender, response) == (
            "Unable to send response. Non-decoupled model cannot send more than one response."
        )
        with pytest.raises(TypeError, match="response must be an InferenceResponse"):
            sender.send("y")  # type: ignore[arg-type]

    def test_a_dropped_sender_is_noticed(self) -> None:
        reply, sender = self.make()
        second = InferenceResponseSender(reply, pb_utils.InferenceRequest())
        reply.late = late = Mock(spec=ReplyStream)
        del sender
        assert late.mock_calls == []
        del second
        assert late.mock_calls == [call.fail(None)]

    def test_a_late_response_goes_on_at_once(self) -> None:
        reply, sender = self.make()
        reply.late = late = Mock(spec=ReplyStream)
        response = pb_utils.InferenceResponse()
        sender.send(response)
        assert late.mock_calls == [call.put(response, final=True)]
        sender.send(flags=FINAL)
        assert late.mock_calls == [call.put(response, final=True)]

    def test_only_one_of_many_threads_sends(self) -> None:
        reply, sender = self.make()
        refused: list[Exception] = []

        def send() -> None:
            try:
                sender.send(pb_utils.InferenceResponse(), FINAL)
            except pb_utils.TritonModelException as error:
                refused.append(error)

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 7


def test_log_lines_have_the_models_file(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        pb_utils.Logger.log("a")
        pb_utils.Logger.log("b", pb_utils.Logger.ERROR)
        pb_utils.Logger.log("w", pb_utils.Logger.WARNING)
        pb_utils.Logger.log("v", level=pb_utils.Logger.LogLevel.VERBOSE)
        pb_utils.Logger.log_info("c %s")
        pb_utils.Logger.log_warn("d")
        pb_utils.Logger.log_error("e")
        pb_utils.Logger.log_verbose("f")
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "a"),
        ("ERROR", "b"),
        ("WARNING", "w"),
        ("DEBUG", "v"),
        ("INFO", "c %s"),
        ("WARNING", "d"),
        ("ERROR", "e"),
        ("DEBUG", "f"),
    ]
    assert {record.filename for record in caplog.records} == {"test_pb_requests.py"}


class TestModelControl:
    class Server:
        def __init__(self) -> None:
            self.calls: list[tuple[object, ...]] = []

        def load_model(self, *args: object) -> None:
            self.calls.append(args)
            if args[0] == "bad":
                raise NotFoundError("no such model")

        def unload_model(self, *args: object) -> None:
            self.calls.append(args)
            if args[0] == "bad":
                raise NotFoundError("no such model")

        def is_model_ready(self, name: str, version: str) -> bool:
            if name == "bad":
                raise NotFoundError("no such model")
            return version == ""

    def test_calls_and_their_failures(self) -> None:
        server = self.Server()
        control.set_model_control(server)
        try:
            pb_utils.load_model("m", config="{}", files={"file:1/model.py": b""})
            pb_utils.unload_model("m", unload_dependents=True)
            assert server.calls == [("m", "{}", {"file:1/model.py": b""}), ("m", True)]
            assert pb_utils.is_model_ready("m")
            assert not pb_utils.is_model_ready("m", "2")
            with pytest.raises(
                pb_utils.TritonModelException, match="^Failed to load model: no such model$"
            ):
                pb_utils.load_model("bad")
            with pytest.raises(pb_utils.TritonModelException, match="Failed to unload model: no"):
                pb_utils.unload_model("bad")
            with pytest.raises(pb_utils.TritonModelException, match="Failed to check model"):
                pb_utils.is_model_ready("bad")
        finally:
            control.set_model_control(None)

    def test_no_server(self) -> None:
        with pytest.raises(pb_utils.TritonModelException, match="no server is running"):
            pb_utils.is_model_ready("m")
