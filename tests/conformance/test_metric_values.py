# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Metric.value() of a model with several instances: what the metrics port shows (contract 5.1)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from server_process import ServerProcess

INSTANCES = 3
ROUNDS = 10
_CONFIG = f"""
backend: "python"
input [ {{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_FP64 dims: [ 1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: {INSTANCES} }} ]
"""
_MODEL = """\
import time
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.family = pb_utils.MetricFamily("executed", "requests", pb_utils.MetricFamily.COUNTER)
        self.executed = self.family.Metric({})

    def execute(self, requests):
        time.sleep(0.02)  # so that all instances get some
        answers = []
        for _ in requests:
            self.executed.increment(1)
            value = np.array([self.executed.value()])
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", value)]))
        return answers
"""


def test_a_value_counts_what_all_instances_did(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "counts" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(_MODEL)
    (folder.parent / "config.pbtxt").write_text(_CONFIG)
    body = {"inputs": [{"name": "IN", "shape": [1], "datatype": "INT32", "data": [1]}]}
    with (
        ServerProcess(tmp_path / "models", tmp_path / "server.log") as server,
        ThreadPoolExecutor(INSTANCES) as clients,
    ):
        replies = clients.map(
            lambda _: server.request("POST", "/v2/models/counts/infer", body),
            range(INSTANCES * ROUNDS),
        )
        values = [reply.json["outputs"][0]["data"][0] for reply in replies]
        assert max(values) == INSTANCES * ROUNDS == server.metrics()["executed"]
        assert min(values) <= INSTANCES
        last = server.request("POST", "/v2/models/counts/infer", body)
        assert last.json["outputs"][0]["data"] == [INSTANCES * ROUNDS + 1]
