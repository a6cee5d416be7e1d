# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Clients of one model over HTTP and gRPC that remember when they asked and who answered."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from types import TracebackType

import grpc
import numpy as np
from server_process import ServerProcess
from tritonclient.grpc import service_pb2, service_pb2_grpc

_VALUES = np.arange(4, dtype=np.float32).reshape(1, 4)


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent and answered (monotonic), by which version; or what failed."""

    sent: float
    came: float
    version: int
    failure: str = ""


class ModelTraffic:
    """A context manager: `clients` threads of each protocol, one request after the other."""

    def __init__(self, server: ServerProcess, model: str, clients: int = 2) -> None:
        self._server = server
        self._model = model
        self._done = threading.Event()
        self._lock = threading.Lock()
        self.answers: list[Answer] = []
        self._threads = [
            threading.Thread(target=self._client, args=(protocol,), daemon=True)
            for protocol in (self._http, self._grpc)
            for _ in range(clients)
        ]

    def __enter__(self) -> ModelTraffic:
        for thread in self._threads:
            thread.start()
        self.wait_for(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def wait_for(self, more: int) -> None:
        """Until so many more requests were answered."""
        wanted, deadline = len(self.answers) + more, time.monotonic() + 120
        while len(self.answers) < wanted:
            assert time.monotonic() < deadline, f"{len(self.answers)} answers, not {wanted}"
            time.sleep(0.01)

    @property
    def failures(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.failure]

    def p99_ms(self, since: float = 0.0, until: float = float("inf")) -> float:
        times = sorted(a.came - a.sent for a in self.answers if since <= a.sent <= until)
        return 1000 * times[int(0.99 * len(times))]

    def _client(self, protocol) -> None:  # type: ignore[no-untyped-def]
        try:
            protocol()
        except Exception as error:  # a client's end is the test's failure
            self._add(Answer(time.monotonic(), time.monotonic(), -1, repr(error)))

    def _add(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)

    def _http(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.http_port, timeout=20)
        tensor = {"name": "INPUT0", "shape": [1, 4], "datatype": "FP32"}
        body = json.dumps({"inputs": [tensor | {"data": _VALUES.ravel().tolist()}]})
        while not self._done.is_set():
            sent = time.monotonic()
            connection.request("POST", f"/v2/models/{self._model}/infer", body)
            reply = connection.getresponse()
            text = reply.read()
            came = time.monotonic()
            if reply.status == 200:
                answer = json.loads(text)
                assert answer["outputs"][0]["data"] == _VALUES.ravel().tolist()
                self._add(Answer(sent, came, int(answer["model_version"])))
            else:
                self._add(Answer(sent, came, -1, f"{reply.status} {text.decode()}"))
        connection.close()

    def _grpc(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._server.grpc_url, options=options) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            request = service_pb2.ModelInferRequest(model_name=self._model)
            request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 4])
            request.raw_input_contents.append(_VALUES.tobytes())
            while not self._done.is_set():
                sent = time.monotonic()
                try:
                    answer = stub.ModelInfer(request, timeout=20)
                except grpc.RpcError as error:
                    self._add(Answer(sent, time.monotonic(), -1, str(error)))
                    continue
                assert answer.raw_output_contents[0] == _VALUES.tobytes()
                self._add(Answer(sent, time.monotonic(), int(answer.model_version)))
