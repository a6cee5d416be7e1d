# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Weights that are mapped: four worker processes take the memory of one."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from server_process import ServerProcess

WEIGHT_BYTES = 64 << 20
COUNT = 4
_MODEL = """\
from pathlib import Path
import numpy as np
import triton_python_backend_utils as pb_utils
from penstock.weights import map_weights

class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        self.weights = map_weights(folder / "weights.safetensors")["w"]
        self.total = np.array([self.weights.sum(dtype=np.float64)])

    def execute(self, requests):
        out = pb_utils.Tensor("OUT", self.total)
        return [pb_utils.InferenceResponse([out]) for _ in requests]
"""
_CONFIG = """
backend: "python"
input [ {{ name: "IN" data_type: TYPE_BOOL dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_FP64 dims: [ 1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: {count} }} ]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "m" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(_MODEL)
    (folder.parent / "config.pbtxt").write_text(_CONFIG.format(count=COUNT))
    entry = {"dtype": "F32", "shape": [WEIGHT_BYTES // 4], "data_offsets": [0, WEIGHT_BYTES]}
    header = json.dumps({"w": entry}).encode()
    with (folder / "weights.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.write(np.ones(WEIGHT_BYTES // 4, np.float32).tobytes())
    return tmp_path / "models"


def workers(server: ServerProcess) -> list[Path]:
    """The process directories of the server's workers."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = re.search(r"^PPid:\s+(\d+)", status.read_text(), re.M)
        except OSError:
            continue
        if parent and int(parent[1]) == server.running.pid:
            found.append(status.parent)
    return found


def pss_of_weights(process: Path) -> float:
    """Bytes: its share of the pages of the file; pages of four processes count a quarter each."""
    kib, here = 0, False
    for line in (process / "smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            here = line.endswith("/weights.safetensors")
        elif here and line.startswith("Pss:"):
            kib += int(line.split()[1])
    return kib * 1024


def private_bytes(process: Path) -> int:
    rollup = (process / "smaps_rollup").read_text()
    found = re.search(r"^Pss_Anon:\s+(\d+) kB", rollup, re.M)
    assert found
    return int(found[1]) * 1024


def test_four_processes_have_the_weights_once(repository: Path, tmp_path: Path) -> None:
    with ServerProcess(repository, tmp_path / "server.log") as server:
        tensor = {"name": "IN", "shape": [1], "datatype": "BOOL", "data": [True]}
        reply = server.request("POST", "/v2/models/m/infer", {"inputs": [tensor]})
        assert reply.json["outputs"][0]["data"] == [WEIGHT_BYTES / 4]
        processes = workers(server)
        assert len(processes) == COUNT
        shares = [pss_of_weights(process) for process in processes]
        assert WEIGHT_BYTES <= sum(shares) < 1.3 * WEIGHT_BYTES
        assert max(shares) < WEIGHT_BYTES / 2
        assert max(map(private_bytes, processes)) < WEIGHT_BYTES
