# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Servers over a repository of their own, which a test changes while they run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server_process import Reply, ServerProcess

_TENSOR = "data_type: TYPE_FP32 dims: [ 4 ]"
IDENTITY = f"""backend: "identity" max_batch_size: 8
input {{ name: "INPUT0" {_TENSOR} }} output {{ name: "OUTPUT0" {_TENSOR} }}
"""

#: A model that loads only from weights of this size, so that no part of them goes unseen.
WEIGHTS_BYTES = 1 << 20
STRICT = f"""
import os
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        folder = os.path.join(args["model_repository"], args["model_version"])
        size = os.path.getsize(os.path.join(folder, "weights"))
        if size != {WEIGHTS_BYTES}:
            raise RuntimeError("PARTIAL LOAD of " + str(size) + " bytes")

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(r, "INPUT0").as_numpy() for r in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", i)]) for i in inputs]
"""


def write_identity(root: Path, name: str, *versions: int, extra: str = "") -> Path:
    for version in versions:
        (root / name / str(version)).mkdir(parents=True, exist_ok=True)
    (root / name / "config.pbtxt").write_text(IDENTITY + extra)
    return root / name


def write_strict_config(model: Path) -> None:
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.pbtxt").write_text(IDENTITY.replace('"identity"', '"python"'))


def serve_folder(root: Path, log: Path, *options: str) -> ServerProcess:
    """Not started yet; with the survival contract's ledger."""
    root.mkdir(exist_ok=True)
    return ServerProcess(root, log, "--debug-endpoints=true", *options)


def load(server: ServerProcess, model: str, parameters: dict[str, Any] | None = None) -> Reply:
    body = {"parameters": parameters} if parameters else None
    return server.request("POST", f"/v2/repository/models/{model}/load", body)


def unload(server: ServerProcess, model: str) -> Reply:
    return server.request("POST", f"/v2/repository/models/{model}/unload")


def index(server: ServerProcess, model: str) -> list[tuple[str, str, str]]:
    """(version, state, reason) of the model's lines."""
    return [
        (entry.get("version", ""), entry.get("state", ""), entry.get("reason", ""))
        for entry in server.request("POST", "/v2/repository/index", {}).json
        if entry["name"] == model
    ]


def answers(server: ServerProcess, model: str) -> str:
    """The version that answers, and "" when none does."""
    tensor = {"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": [1.0] * 4}
    reply = server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]})
    return str(reply.json["model_version"]) if reply.status == 200 else ""


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
    """Returns after how many seconds it was so."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.02)
    return time.monotonic() - began


def rss_bytes(server: ServerProcess) -> int:
    pages = int(Path(f"/proc/{server.running.pid}/statm").read_text().split()[1])
    return pages * 4096


def cpu_seconds(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.running.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
