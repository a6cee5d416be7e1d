# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B9: clients that leave while their requests are queued, executing or being answered."""

from __future__ import annotations

import time
from collections.abc import Callable

import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame
from raw_http import RawHttp, infer_message, message
from server_process import ServerProcess
from sizes import report, size
from survive import Survivor, infer_request

MANY = size(200, 1000)
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
SLOW = infer_message("slow", columns=1)
SETTLE_S = 10.0


def grpc_message(model: str, shape: list[int]) -> bytes:
    request = infer_request(model)
    request.inputs[0].shape[:] = shape
    return h2.message(request.SerializeToString())


BATCHED = grpc_message("batcher", [4, 1])
SLOW_MESSAGE = grpc_message("slow", [1, 4])


def sample(server: ServerProcess, name: str, labels: str) -> float:
    return server.metrics()[f"{name}{{{labels}}}"]


def await_idle(server: ServerProcess, model: str) -> None:
    """Until nothing of the model is pending."""
    deadline = time.monotonic() + SETTLE_S
    labels = f'model="{model}",version="1"'
    while sample(server, "nv_inference_pending_request_count", labels) > 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def await_queued(server: ServerProcess, count: int) -> None:
    """Until so many requests for the slow model wait."""
    deadline = time.monotonic() + SETTLE_S
    labels = 'model="slow",version="1"'
    while sample(server, "nv_inference_pending_request_count", labels) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def executed(server: ServerProcess, abuse: Callable[[], None]) -> float:
    """How many requests for the slow model ran, of those that were left alone."""
    labels = 'model="slow",version="1"'
    before = sample(server, "nv_inference_count", labels)
    abuse()
    await_idle(server, "slow")
    return sample(server, "nv_inference_count", labels) - before


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_b9_queued_http(survivor: Survivor, reset: bool) -> None:
    """H-30: 99 % of what is queued never reaches the model."""

    def abuse() -> None:
        for _ in range(MANY // 50):
            clients = [RawHttp(survivor.server.http_port) for _ in range(50)]
            for client in clients:
                client.send(SLOW)
            await_queued(survivor.server, 48)  # all but what is executing
            for client in clients:
                client.leave(reset=reset)

    ran = executed(survivor.server, abuse)
    report(f"B9: {ran:.0f} of {MANY} queued HTTP requests ran")
    assert ran <= 4 + MANY * 0.01


def test_b9_queued_grpc(survivor: Survivor) -> None:
    """G-28: the same by gRPC."""

    def abuse() -> None:
        for _ in range(MANY // 50):
            with RawConnection(survivor.server.grpc_port) as connection:
                for stream in range(1, 101, 2):
                    data = frame(h2.DATA, h2.END_STREAM, stream, SLOW_MESSAGE)
                    connection.send(call_head(stream) + data)
                await_queued(survivor.server, 48)

    ran = executed(survivor.server, abuse)
    report(f"B9: {ran:.0f} of {MANY} queued gRPC requests ran")
    assert ran <= 4 + MANY * 0.01


def test_b9_executing_http(survivor: Survivor) -> None:
    """The batch mates of who leaves are answered."""
    data = infer_message("batcher", columns=1)
    for _ in range(MANY // 8):
        clients = [RawHttp(survivor.server.http_port) for _ in range(8)]
        for client in clients:
            client.send(data)
        for client in clients[1:]:
            client.leave(reset=True)
        assert clients[0].reply()[0] == 200
        clients[0].close()


def test_b9_executing_grpc(survivor: Survivor) -> None:
    """With 32 streams in flight, queued or executing; the server is as before."""
    for _ in range(size(150, 1000)):
        with RawConnection(survivor.server.grpc_port) as connection:
            calls = b"".join(
                call_head(stream) + frame(h2.DATA, h2.END_STREAM, stream, BATCHED)
                for stream in range(1, 65, 2)
            )
            connection.send(calls)
            connection.read()  # the server's SETTINGS: it has begun to read


def test_b9_streaming_http(survivor: Survivor) -> None:
    """Who leaves while a reply of 1 MiB is on its way."""
    floats = 1 << 18
    tensor = f'"shape":[1,{floats}],"parameters":{{"binary_data_size":{4 * floats}}}'
    json = f'{{"inputs":[{{"name":"INPUT0","datatype":"FP32",{tensor}}}],'
    json += '"parameters":{"binary_data_output":true}}'
    fields = f"Inference-Header-Content-Length: {len(json)}\r\n"
    path = "/v2/models/identity_fp32/infer"
    data = message(json.encode() + bytes(4 * floats), path, fields)
    for number in range(MANY):
        with RawHttp(survivor.server.http_port) as client:
            client.send(data)
            assert client.socket.recv(1000)
            client.leave(reset=number % 2 == 0)


def test_b9_streaming_grpc(survivor: Survivor) -> None:
    """G-27: who leaves a stream of 32 requests, before or within its answers."""
    for number in range(size(100, 1000)):
        with RawConnection(survivor.server.grpc_port) as connection:
            connection.send(call_head(1, STREAM) + frame(h2.DATA, 0, 1, BATCHED * 32))
            connection.read()
            if number % 4 == 0:
                connection.read_until(h2.DATA, 1)


def test_b9_cancelled_while_queued_is_never_executed(survivor: Survivor) -> None:
    """G-28: it counts as cancelled."""
    server = survivor.server
    labels = 'model="slow",reason="CANCELED",version="1"'
    before = sample(server, "nv_inference_request_failure", labels)
    with RawConnection(server.grpc_port) as connection:
        for stream in range(1, 21, 2):
            data = frame(h2.DATA, h2.END_STREAM, stream, SLOW_MESSAGE)
            connection.send(call_head(stream) + data)
        connection.read()
    deadline = time.monotonic() + SETTLE_S
    while sample(server, "nv_inference_request_failure", labels) < before + 9:
        assert time.monotonic() < deadline
        time.sleep(0.05)
