# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The requests that are sent: prebuilt bodies, and the check that a server answers them rightly."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, replace
from typing import Literal

import grpc
import numpy as np
import numpy.typing as npt
from penstock._proto import inference_pb2

SMALL = 16
IMAGE = 3 * 224 * 224
GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"
GRPC_STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


@dataclass(frozen=True)
class Workload:
    """One kind of request (`body`: of HTTP, or the gRPC message), and how many are in flight.

    `more_bodies`: messages for the other streams, `starts`: what is sent before all others,
    `replies`: messages in each answer; all three of gRPC.
    """

    name: str
    protocol: Literal["http", "grpc"]
    model: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    values: bytes
    connections: int
    streams: int = 1
    echo: bool = True  # the answer has the request's values
    more_bodies: tuple[bytes, ...] = ()
    starts: tuple[bytes, ...] = ()
    replies: int = 1

    def check(self, port: int) -> bytes:
        """Sends one and returns the answer. Raises RuntimeError when that is wrong."""
        reply = self._http(port) if self.protocol == "http" else self._grpc(port)
        if reply == self.body or not self.echo:
            return reply  # a bare echo, or of a model whose values are tested elsewhere
        if self.values not in reply and not self._same_numbers(reply):
            raise RuntimeError(f"{self.name}: port {port} gives a wrong answer: {reply[:300]!r}")
        return reply

    def _http(self, port: int) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", self.path, self.body, dict(self.headers))
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        if reply.status != 200:
            raise RuntimeError(f"{self.name}: HTTP {reply.status}: {body[:300]!r}")
        return body

    def _grpc(self, port: int) -> bytes:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_stream(self.path)
            for message in self.starts:
                list(call(message, timeout=30, wait_for_ready=True))
            replies: list[bytes] = list(call(self.body, timeout=30, wait_for_ready=True))
        if len(replies) != self.replies or len(set(replies)) != 1:
            raise RuntimeError(f"{self.name}: port {port} gave {len(replies)} replies")
        return replies[0]

    def _same_numbers(self, reply: bytes) -> bool:
        try:
            data = json.loads(reply)["outputs"][0]["data"]
        except (ValueError, KeyError, IndexError):
            return False
        return np.asarray(data, dtype=np.float32).tobytes() == self.values


def _values(count: int) -> npt.NDArray[np.float32]:
    return np.arange(count, dtype=np.float32) * np.float32(0.25)  # exact in JSON and in binary


def http_body(count: int, *, binary: bool) -> tuple[bytes, int]:
    """A v2 request body with INPUT0 of shape [1, count], and the length of its JSON part."""
    values = _values(count)
    tensor: dict[str, object] = {"name": "INPUT0", "shape": [1, count], "datatype": "FP32"}
    output: dict[str, object] = {"name": "OUTPUT0"}
    if binary:
        tensor["parameters"] = {"binary_data_size": values.nbytes}
        output["parameters"] = {"binary_data": True}
    else:
        tensor["data"] = values.tolist()
    head = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    return head + values.tobytes() if binary else head, len(head)


def grpc_message(model: str, count: int) -> bytes:
    """A serialised ModelInferRequest with INPUT0 of shape [1, count] as raw bytes."""
    request = inference_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, count])
    request.outputs.add(name="OUTPUT0")
    request.raw_input_contents.append(_values(count).tobytes())
    return request.SerializeToString()


def _of_sequence(message: bytes, sequence: int, *, start: bool = False) -> bytes:
    request = inference_pb2.ModelInferRequest.FromString(message)
    request.parameters["sequence_id"].int64_param = sequence
    if start:
        request.parameters["sequence_start"].bool_param = True
    return request.SerializeToString()


def http_workload(
    name: str,
    model: str,
    count: int,
    *,
    binary: bool = True,
    connections: int = 16,
    echo: bool = True,
) -> Workload:
    """One request at a time on each of `connections`."""
    body, json_bytes = http_body(count, binary=binary)
    headers = [("Content-Type", "application/octet-stream" if binary else "application/json")]
    if binary:
        headers.append(("Inference-Header-Content-Length", str(json_bytes)))
    path = f"/v2/models/{model}/infer"
    values = _values(count).tobytes()
    return Workload(name, "http", model, path, tuple(headers), body, values, connections, echo=echo)


def grpc_workload(
    name: str, model: str, count: int, *, connections: int = 4, streams: int = 4
) -> Workload:
    """`streams` unary calls at a time on each of `connections`."""
    body, values = grpc_message(model, count), _values(count).tobytes()
    return Workload(name, "grpc", model, GRPC_METHOD, (), body, values, connections, streams)


def sequence_workload(name: str, model: str, count: int, *, connections: int = 8) -> Workload:
    """Four unary calls at a time on each of `connections`: each stream is a sequence."""
    workload = grpc_workload(name, model, count, connections=connections)
    sequences = range(1, connections * workload.streams + 1)
    body, *others = (_of_sequence(workload.body, sequence) for sequence in sequences)
    starts = (_of_sequence(workload.body, sequence, start=True) for sequence in sequences)
    return replace(workload, body=body, more_bodies=tuple(others), starts=tuple(starts))


def stream_workload(
    name: str, model: str, count: int, *, replies: int, connections: int = 4
) -> Workload:
    """One streaming call at a time on each of `connections`, of one request."""
    workload = grpc_workload(name, model, count, connections=connections, streams=1)
    return replace(workload, path=GRPC_STREAM, replies=replies)
