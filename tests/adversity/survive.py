# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The survival contract: what must hold of a server after any abuse."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from server_process import ServerProcess
from tritonclient.grpc import service_pb2, service_pb2_grpc

MIB = 1 << 20
SETTLE_S = 5.0
QUIET_S = 0.5

_VALUES = np.arange(4, dtype=np.float32).reshape(1, 4)
_MODEL = "labelled"


class Survivor:
    """Remembers how a server was, and checks that it still is."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._canaries()  # what is made once is there from now on
        self._canaries()
        self.pid = server.running.pid
        self.baseline = self._settled()
        self.rss_bytes = self._rss_bytes()

    def mark(self) -> None:
        """Memory is measured from here."""
        self._canaries()
        self.rss_bytes = self._rss_bytes()

    def check(self, *, max_growth_bytes: int = 8 * MIB) -> None:
        """Raises AssertionError when the server was harmed."""
        assert self.server.running.poll() is None, self.server.log
        self._canaries()
        _wait_for(lambda: self._resources() == self.baseline, self._difference)
        growth = self._rss_bytes() - self.rss_bytes
        assert growth <= max_growth_bytes, f"grew by {growth / MIB:.1f} MiB"

    def _canaries(self) -> None:
        started = time.monotonic()
        assert self.server.request("GET", "/v2/health/live").status == 200
        live_s = time.monotonic() - started
        assert live_s < 2, f"alive only after {live_s:.1f} s"
        body = {
            "inputs": [
                {
                    "name": "INPUT0",
                    "shape": [1, 4],
                    "datatype": "FP32",
                    "data": _VALUES.ravel().tolist(),
                }
            ]
        }
        reply = self.server.request("POST", f"/v2/models/{_MODEL}/infer", body)
        assert reply.status == 200, reply.body
        assert reply.json["outputs"][0]["data"] == _VALUES.ravel().tolist()
        with grpc.insecure_channel(
            self.server.grpc_url, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            answer = stub.ModelInfer(infer_request(), timeout=10)
            stub.ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=10)
        assert answer.raw_output_contents[0] == _VALUES.tobytes()

    def _resources(self) -> dict[str, int]:
        root = Path(f"/proc/{self.pid}")
        return {
            "descriptors": len(os.listdir(root / "fd")),
            "children": len((root / "task" / str(self.pid) / "children").read_text().split()),
        }

    def _settled(self) -> dict[str, int]:
        """The resources once connections that were closed are gone."""
        before = self._resources()
        while True:
            time.sleep(QUIET_S)
            now = self._resources()
            if now == before:
                return now
            before = now

    def _difference(self) -> str:
        return f"{self._resources()} instead of {self.baseline}"

    def _rss_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def infer_request(model: str = _MODEL) -> Any:
    """A good request."""
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="INPUT0", datatype="FP32", shape=list(_VALUES.shape))
    request.raw_input_contents.append(_VALUES.tobytes())
    return request


def _wait_for(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
