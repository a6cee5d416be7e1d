# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""--model-memory-budget under clients that want everything at once, and leave while they wait."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from changing_models import IDENTITY, serve_folder, wait_for
from raw_http import RawHttp
from server_process import ServerProcess
from sizes import report, size
from survive import Survivor, infer_request
from tritonclient.grpc import service_pb2_grpc

MODELS = 6
CLIENTS = 8
REQUESTS = size(4, 200)  # of each client
#: Room for two worker processes, or three.
BUDGET = 100 << 20
SEED = 2026

_CODE = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(r, "INPUT0").as_numpy() for r in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", i)]) for i in inputs]
"""


def write_models(root: Path) -> list[str]:
    names = [f"m{number}" for number in range(MODELS)]
    for name in names:
        (root / name / "1").mkdir(parents=True)
        (root / name / "config.pbtxt").write_text(IDENTITY.replace('"identity"', '"python"'))
        (root / name / "1" / "model.py").write_text(_CODE)
    (root / "labelled" / "1").mkdir(parents=True)
    (root / "labelled" / "config.pbtxt").write_text(IDENTITY)
    return names


def http(server: ServerProcess, model: str, patience_s: float) -> str:
    """One request; a client without patience closes its connection."""
    with RawHttp(server.http_port) as connection:
        body = infer_body()
        head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: s\r\n"
        connection.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        connection.socket.settimeout(patience_s)
        try:
            return f"HTTP {connection.reply()[0]}"
        except TimeoutError:
            return "left"


def infer_body() -> bytes:
    data = "[1.0, 2.0, 3.0, 4.0]"
    tensor = f'{{"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": {data}}}'
    return f'{{"inputs": [{tensor}]}}'.encode()


def rpc(server: ServerProcess, model: str, patience_s: float) -> str:
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            stub.ModelInfer(infer_request(model), timeout=patience_s)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "gRPC OK"


def test_a_storm_on_demand(tmp_path: Path) -> None:
    names = write_models(tmp_path / "models")
    options = (
        f"--model-memory-budget={BUDGET}",
        "--model-control-mode=explicit",
        "--load-model=labelled",
    )
    with serve_folder(tmp_path / "models", tmp_path / "log", *options) as server:

        def client(number: int, requests: int = REQUESTS) -> list[str]:
            choose = random.Random(SEED + number)
            outcomes = []
            for _ in range(requests):
                ask = choose.choice((http, rpc))
                outcomes.append(ask(server, choose.choice(names), choose.choice((0.05, 60.0))))
            return outcomes

        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(client, range(CLIENTS), [1] * CLIENTS))  # what is made once is there
            wait_for(lambda: settled(server), "something is still being loaded")
            survivor = Survivor(server)
            outcomes = [one for some in clients.map(client, range(CLIENTS)) for one in some]
        found = {one: outcomes.count(one) for one in sorted(set(outcomes))}
        report(f"budget: {found}")
        assert set(found) <= {"HTTP 200", "gRPC OK", "left", "DEADLINE_EXCEEDED"}
        assert found["HTTP 200"] + found["gRPC OK"] > 0
        wait_for(lambda: settled(server), "something is still being loaded")
        wait_for(lambda: survivor.ledger() == survivor.balance, f"{survivor.ledger()}")
        for name in names:  # each of them still comes
            assert http(server, name, 60.0) == "HTTP 200"


def settled(server: ServerProcess) -> bool:
    entries = server.request("POST", "/v2/repository/index", {}).json
    return not any(entry.get("state") in ("LOADING", "UNLOADING") for entry in entries)
