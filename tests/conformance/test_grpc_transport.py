# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""gRPC as such: health, raw messages, what is refused, deadlines, streams (1.16)."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server_process import ServerProcess
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException
from ways import GrpcAsyncio

TIMEOUT_S = 20
ROW = np.arange(4, dtype=np.float32).reshape(1, 4)


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc_url) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


def request(model: str = "labelled", **fields: Any) -> Any:
    message = service_pb2.ModelInferRequest(model_name=model, **fields)
    message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 4])
    message.raw_input_contents.append(ROW.tobytes())
    return message


def failure(call: Any, message: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=TIMEOUT_S)
    return caught.value.code(), caught.value.details()


def test_the_health_service(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    reply = health.Check(health_pb2.HealthCheckRequest(service="whatever"), timeout=TIMEOUT_S)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        next(health.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_typed_contents_are_answered_raw(stub: Any) -> None:
    """G-21, X-55."""
    message = service_pb2.ModelInferRequest(model_name="labelled")
    tensor = message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 4])
    tensor.contents.fp32_contents.extend(ROW.ravel())
    reply = stub.ModelInfer(message, timeout=TIMEOUT_S)
    assert not reply.outputs[0].HasField("contents")
    assert reply.raw_output_contents[0] == ROW.tobytes()


def test_raw_and_typed_contents_do_not_mix(stub: Any) -> None:
    """G-21."""
    message = request()
    message.inputs[0].contents.fp32_contents.extend(ROW.ravel())
    code, text = failure(stub.ModelInfer, message)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == (
        "contents field must not be specified when using raw_input_contents for 'INPUT0' "
        "for model 'labelled'"
    )


def test_an_input_without_data(stub: Any) -> None:
    """G-21."""
    message = request()
    del message.raw_input_contents[:]
    code, text = failure(stub.ModelInfer, message)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "'INPUT0'" in text


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "99999999999999999999"])
def test_a_bad_version(stub: Any, version: str) -> None:
    """H-22."""
    code, text = failure(stub.ModelInfer, request(model_version=version))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "version" in text


@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "RepositoryIndex"])
def test_bytes_that_are_no_message(channel: grpc.Channel, method: str) -> None:
    call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
    code, _ = failure(call, b"\xff\xff\xff")
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_unknown_methods(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/inference.GRPCInferenceService/Nothing")
    assert failure(call, b"")[0] is grpc.StatusCode.UNIMPLEMENTED


def test_client_shared_memory_is_off(stub: Any) -> None:
    """X-1."""
    refused = (
        grpc.StatusCode.UNIMPLEMENTED,
        "Client shared memory is disabled. "
        "Start the server with '--allow-client-shm=true' to enable.",
    )
    for kind in ("System", "Cuda"):
        for action in ("Register", "Unregister"):
            name = f"{kind}SharedMemory{action}"
            message = getattr(service_pb2, f"{name}Request")()
            assert failure(getattr(stub, name), message) == refused
        message = getattr(service_pb2, f"{kind}SharedMemoryStatusRequest")()
        assert not getattr(stub, f"{kind}SharedMemoryStatus")(message, timeout=TIMEOUT_S).regions


def test_repository_names_and_parameter_types(stub: Any) -> None:
    """G-10..G-12, REP-2, REP-3."""
    unsupported = "'repository_name' specification is not supported"
    for call, message in (
        (stub.RepositoryIndex, service_pb2.RepositoryIndexRequest(repository_name="r")),
        (stub.RepositoryModelLoad, service_pb2.RepositoryModelLoadRequest(repository_name="r")),
        (stub.RepositoryModelUnload, service_pb2.RepositoryModelUnloadRequest(repository_name="r")),
    ):
        assert failure(call, message) == (grpc.StatusCode.UNIMPLEMENTED, unsupported)
    for name, field, value, text in (
        (
            "config",
            "int64_param",
            1,
            "invalid value type for load parameter 'config', expected string_param.",
        ),
        (
            "file:x",
            "string_param",
            "1",
            "invalid value type for load parameter 'file:x', expected bytes_param.",
        ),
        ("other", "string_param", "1", "unrecognized load parameter 'other'."),
    ):
        message = service_pb2.RepositoryModelLoadRequest(model_name="idle")
        setattr(message.parameters[name], field, value)
        expected = (grpc.StatusCode.INVALID_ARGUMENT, text)
        assert failure(stub.RepositoryModelLoad, message) == expected


async def test_a_deadline_cancels_the_request(server: ServerProcess) -> None:
    """G-28: what is still queued never runs."""
    way = GrpcAsyncio(server)

    async def failures() -> float:
        """By the client's cancellation or by the server's own clock, whichever is first."""
        found = await asyncio.to_thread(server.metrics)
        name = 'nv_inference_request_failure{{model="slow",reason="{}",version="1"}}'
        return sum(found[name.format(reason)] for reason in ("CANCELED", "REJECTED"))

    before = await failures()
    values = {"INPUT0": np.ones((1, 1), np.float32)}
    calls = (way.infer("slow", values, client_timeout=0.1) for _ in range(4))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(error, InferenceServerException) for error in results)
    assert {error.status() for error in results} == {"StatusCode.DEADLINE_EXCEEDED"}
    deadline = time.monotonic() + 10
    while await failures() < before + 3:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    await way.close()


def stream(stub: Any, messages: list[Any], **options: Any) -> list[Any]:
    return list(stub.ModelStreamInfer(iter(messages), timeout=TIMEOUT_S, **options))


def test_a_stream_answers_in_order(stub: Any) -> None:
    """G-7, G-25, G-26, G-27: also when a later request is faster."""
    messages = []
    for number in range(20):
        model = "slow" if number == 0 else "identity_fp32"
        message = service_pb2.ModelInferRequest(model_name=model, id=str(number))
        message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 1])
        message.raw_input_contents.append(np.float32(number).tobytes())
        messages.append(message)
    replies = stream(stub, messages)
    assert [reply.infer_response.id for reply in replies] == [str(number) for number in range(20)]
    for number, reply in enumerate(replies):
        assert reply.error_message == ""
        assert reply.infer_response.raw_output_contents[0] == np.float32(number).tobytes()
        assert reply.infer_response.parameters["triton_final_response"].bool_param


def test_a_stream_outlives_errors(stub: Any) -> None:
    """G-25, X-50: each in its place, with the request's id."""
    bad = request(id="bad")
    bad.inputs[0].name = "OTHER"
    unknown = request("nobody", id="unknown")
    replies = stream(stub, [request(id="1"), bad, unknown, request(id="2")])
    assert [reply.infer_response.id for reply in replies] == ["1", "bad", "unknown", "2"]
    assert [reply.error_message for reply in replies] == [
        "",
        "[request id: bad] unexpected inference input 'OTHER' for model 'labelled'",
        "Request for unknown model: 'nobody' is not found",
        "",
    ]


def test_a_stream_can_ask_to_end_with_the_first_error(stub: Any) -> None:
    """G-25: `triton_grpc_error: true`."""
    replies = stub.ModelStreamInfer(
        iter([request(id="1"), request("nobody"), request(id="2")]),
        timeout=TIMEOUT_S,
        metadata=[("triton_grpc_error", "true")],
    )
    assert next(replies).infer_response.id == "1"
    with pytest.raises(grpc.RpcError) as caught:
        next(replies)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "Request for unknown model: 'nobody' is not found"


def test_an_empty_stream(stub: Any) -> None:
    assert stream(stub, []) == []


def test_the_clients_own_streaming(server: ServerProcess) -> None:
    client = grpc_client.InferenceServerClient(server.grpc_url)
    results: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: results.put((result, error)))
    for number in range(3):
        tensor = grpc_client.InferInput("INPUT0", [1, 4], "FP32")
        tensor.set_data_from_numpy(ROW + number)
        client.async_stream_infer("labelled", [tensor], request_id=str(number))
    for number in range(3):
        result, error = results.get(timeout=TIMEOUT_S)
        assert error is None
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), ROW + number)
    client.stop_stream()
    client.close()


def test_a_cancelled_stream_cancels_its_requests(server: ServerProcess, stub: Any) -> None:
    """G-27."""
    key = 'nv_inference_request_failure{model="slow",reason="CANCELED",version="1"}'
    before = server.metrics()[key]
    hold = threading.Event()

    def messages() -> Iterator[Any]:
        for _ in range(4):
            message = service_pb2.ModelInferRequest(model_name="slow")
            message.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 1])
            message.raw_input_contents.append(bytes(4))
            yield message
        hold.wait(TIMEOUT_S)

    replies = stub.ModelStreamInfer(messages(), timeout=TIMEOUT_S)
    next(replies)
    replies.cancel()
    hold.set()
    deadline = time.monotonic() + 10
    while server.metrics()[key] <= before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages(stub: Any, compression: grpc.Compression) -> None:
    reply = stub.ModelInfer(request(), timeout=TIMEOUT_S, compression=compression)
    assert reply.raw_output_contents[0] == ROW.tobytes()
