# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The repository that worker processes are measured with."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.load.workloads import SMALL
from benchmarks.processes import WORK

#: Python code that holds the GIL for about so long.
BUSY_MS = 5
BUSY = ("busy_a", "busy_b")
#: A busy one that its host policy of this name binds to a core.
BOUND, POLICY = "busy_bound", "noisy"
#: A busy one that yields to others.
NICE, NICENESS = "busy_nice", 12
NATIVE, PLAIN, IDEMPOTENT = "native", "plain", "idempotent"

_CONFIG = """
name: "{name}" backend: "{backend}" max_batch_size: 0
input {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ 1, {values} ] }}
output {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1, {values} ] }}
instance_group {{ kind: KIND_CPU count: 1 {group} }}
{more}
"""
_IDENTITY = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        {work}
        data = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", data)])
"""
_COUNTS = "sum(number * number for number in range({loops}))"


def write_models(loops: int) -> Path:
    """A fresh repository; `loops`: what keeps a busy model busy for BUSY_MS."""
    root = WORK / "worker-models"
    shutil.rmtree(root, ignore_errors=True)
    _write(root, NATIVE, "identity")
    busy = _COUNTS.format(loops=loops)
    for name in BUSY:
        _write(root, name, "python", work=busy)
    _write(root, BOUND, "python", work=busy, group=f'host_policy: "{POLICY}"')
    _write(root, NICE, "python", work=busy, more=_parameter("NICENESS", str(NICENESS)))
    _write(root, PLAIN, "python", work="pass")
    _write(root, IDEMPOTENT, "python", work="pass", more=_parameter("IDEMPOTENT", "true"))
    return root


def _parameter(key: str, value: str) -> str:
    return f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}'


def _write(
    root: Path, name: str, backend: str, *, work: str = "", group: str = "", more: str = ""
) -> None:
    (root / name / "1").mkdir(parents=True)
    config = _CONFIG.format(name=name, backend=backend, values=SMALL, group=group, more=more)
    (root / name / "config.pbtxt").write_text(config)
    if work:
        (root / name / "1" / "model.py").write_text(_IDENTITY.format(work=work))
