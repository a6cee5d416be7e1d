# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A repository of a tiny ONNX model (16 -> 10, two layers), batched and not."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.processes import ROOT, WORK

MODEL = ROOT / "tests" / "csrc" / "data" / "mlp.onnx"

_CONFIG = """
backend: "onnxruntime"
input [ {{ name: "INPUT0", data_type: TYPE_FP32, dims: [ 16 ] }} ]
output [ {{ name: "OUTPUT0", data_type: TYPE_FP32, dims: [ 10 ] }} ]
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
name: "{name}"
{batching}
"""
_BATCHING = {
    "mlp": "max_batch_size: 64\ndynamic_batching { }",
    "mlp_unbatched": "max_batch_size: 1",
}


def write_onnx_models() -> Path:
    """The repository's folder, written anew."""
    repository = WORK / "onnx_models"
    for name, batching in _BATCHING.items():
        version = repository / name / "1"
        version.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MODEL, version / "model.onnx")
        config = _CONFIG.format(name=name, batching=batching)
        (repository / name / "config.pbtxt").write_text(config)
    return repository
