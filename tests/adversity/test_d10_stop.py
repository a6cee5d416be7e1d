# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D10: the server is told to stop while it works. What it has accepted is answered."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
from changing_models import serve_folder, wait_for
from model_repository import write_identity
from raw_http import RawHttp
from server_process import ServerProcess
from sizes import FULL, report, size
from tritonclient.grpc import service_pb2, service_pb2_grpc

ROUNDS = size(2, 50)
REQUESTS = 200
STREAMS = 20
IDLE = 100
DELAY_MS = 100
BATCH = 16
#: All that is in flight, one batch after the other, and both steps of the ensemble.
WORK_S = (REQUESTS / BATCH + STREAMS / BATCH + 2) * DELAY_MS / 1000 * 2
#: What the end itself may take: the goal, or what a machine that others use needs.
END_S = 0.5 if FULL else 10.0

_TENSOR = '{ name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] }'
_OUTPUT = '{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] }'
_MAPS = 'input_map { key: "INPUT0" value: "%s" } output_map { key: "OUTPUT0" value: "%s" }'
ENSEMBLE = f"""
platform: "ensemble" max_batch_size: {BATCH} input {_TENSOR} output {_OUTPUT}
ensemble_scheduling {{
  step {{ model_name: "worker" model_version: -1 {_MAPS % ("INPUT0", "between")} }}
  step {{ model_name: "worker" model_version: -1 {_MAPS % ("between", "OUTPUT0")} }}
}}
"""


#: Each of its requests calls the worker.
CALLER = """
import asyncio
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    async def execute(self, requests):
        return await asyncio.gather(*map(self.call, requests))

    async def call(self, request):
        values = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        call = pb_utils.InferenceRequest(
            model_name="worker",
            inputs=[pb_utils.Tensor("INPUT0", values)],
            requested_output_names=["OUTPUT0"],
        )
        answer = await call.async_exec()
        if answer.has_error():
            return pb_utils.InferenceResponse(error=answer.error())
        return pb_utils.InferenceResponse(answer.output_tensors())
"""
KINDS = ("worker", "pair", "caller")
ENDS = ("pair", "worker")


def write_repository(root: Path) -> None:
    delay = {"max_batch_size": BATCH, "delay_ms": DELAY_MS, "extra": "dynamic_batching {}"}
    write_identity(root, "worker", dims="1", **delay)  # type: ignore[arg-type]
    (root / "pair" / "1").mkdir(parents=True)
    (root / "pair" / "config.pbtxt").write_text(ENSEMBLE)
    (root / "caller" / "1").mkdir(parents=True)
    (root / "caller" / "1" / "model.py").write_text(CALLER)
    config = (root / "worker" / "config.pbtxt").read_text().replace('"worker"', '"caller"')
    (root / "caller" / "config.pbtxt").write_text(config.replace('"identity"', '"python"'))


def http_request(number: int) -> bytes:
    tensor = {"name": "INPUT0", "shape": [1, 1], "datatype": "FP32", "data": [number]}
    body = json.dumps({"inputs": [tensor]}).encode()
    model = KINDS[number % len(KINDS)]
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: s\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def grpc_request(number: int) -> Any:
    request = service_pb2.ModelInferRequest(model_name="worker")
    tensor = request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 1])
    tensor.contents.fp32_contents.append(number)
    return request


class Stream:
    """One stream with one request on it, which is left open."""

    def __init__(self, channel: grpc.Channel, number: int) -> None:
        self._closed = False
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self.calls = stub.ModelStreamInfer(self._requests(number))

    def _requests(self, number: int) -> Any:
        yield grpc_request(number)
        wait_for(lambda: self._closed, "the stream was never closed")

    def answer(self) -> str:
        try:
            return str(next(self.calls).error_message)
        finally:
            self._closed = True


def taken(server: ServerProcess, door: str) -> int:
    """Inferences that the core has had from a door."""
    ledger = server.request("GET", "/debug/ledger", port=server.metrics_port).json
    return int(ledger[door]["inferences"])


def one_round(root: Path, folder: Path) -> float:
    folder.mkdir()
    options = (f"--exit-timeout-secs={int(2 * WORK_S) + 20}",)
    with serve_folder(root, folder / "log", *options) as server, ExitStack() as stack:
        idle = [stack.enter_context(RawHttp(server.http_port)) for _ in range(IDLE)]
        for connection in idle:
            connection.use()
        busy = [stack.enter_context(RawHttp(server.http_port)) for _ in range(REQUESTS)]
        channel = stack.enter_context(grpc.insecure_channel(server.grpc_url))
        grpc.channel_ready_future(channel).result(20)
        for number, connection in enumerate(busy):
            assert connection.send(http_request(number))
        streams = [Stream(channel, number) for number in range(STREAMS)]
        wait_for(lambda: taken(server, "HTTPService") == REQUESTS, "not all HTTP requests came")
        wait_for(lambda: taken(server, "GRPCInferenceService") == STREAMS, "not all streams came")
        began = time.monotonic()
        server.running.send_signal(signal.SIGTERM)
        server.running.send_signal(signal.SIGTERM)  # 3.6: changes nothing
        for number, connection in enumerate(busy):
            status, body = connection.reply()
            assert status == 200, (number, body, server.log)
            assert json.loads(body)["outputs"][0]["data"] == [number]
        assert [stream.answer() for stream in streams] == [""] * STREAMS
        answered = time.monotonic()
        assert server.running.wait(60) == 0, server.log
        assert time.monotonic() - answered <= END_S
        assert answered - began <= 2 * WORK_S + END_S
        for connection in idle:
            assert connection.reply() == (0, b"")
        unloaded = [server.log.index(f"successfully unloaded '{name}'") for name in ENDS]
        assert unloaded == sorted(unloaded)  # the callee outlives its caller
        return answered - began


def test_d10_a_stop_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "models"
    write_repository(root)
    took = [one_round(root, tmp_path / f"round {number}") for number in range(ROUNDS)]
    report(f"D10: {ROUNDS} stops, {REQUESTS + STREAMS} requests in flight: {max(took):.2f} s")


def test_d10_an_idle_server_ends_at_once(tmp_path: Path) -> None:
    root = tmp_path / "models"
    write_repository(root)
    with serve_folder(root, tmp_path / "log") as server, ExitStack() as stack:
        idle = [stack.enter_context(RawHttp(server.http_port)) for _ in range(IDLE)]
        for connection in idle:
            connection.use()
        began = time.monotonic()
        assert server.stop() == 0
        took = time.monotonic() - began
        report(f"D10: an idle server ended in {took:.2f} s")
        assert took <= END_S


def test_d10_what_comes_later_is_told_so(tmp_path: Path) -> None:
    """H-28: a kept connection is answered until the end, and not ready at once."""
    root = tmp_path / "models"
    write_repository(root)
    with serve_folder(root, tmp_path / "log") as server:
        with RawHttp(server.http_port) as kept, RawHttp(server.http_port) as busy:
            kept.use()
            for number in range(BATCH):
                busy.send(http_request(len(KINDS) * number))
            wait_for(lambda: taken(server, "HTTPService") > 0, "nothing is in flight")
            server.running.send_signal(signal.SIGTERM)
            wait_for(lambda: "Waiting for in-flight" in server.log, "it does not stop")
            kept.send(b"GET /v2/health/ready HTTP/1.1\r\nHost: s\r\n\r\n")
            assert kept.reply()[0] in (0, 503)
            kept.send(http_request(0))
            assert kept.reply()[0] in (0, 503)
            assert busy.reply()[0] == 200
        assert server.running.wait(60) == 0
