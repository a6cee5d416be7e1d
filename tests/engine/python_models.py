# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Python models for tests: one float input and output of any length, batches up to 8."""

from __future__ import annotations

from pathlib import Path


def write_model(model_dir: Path, source: str, filename: str = "model.py") -> Path:
    """Writes version 1; returns the model's directory."""
    (model_dir / "1").mkdir(parents=True, exist_ok=True)
    (model_dir / "1" / filename).write_text(source)
    return model_dir


def config(more: str = "") -> str:
    """A complete configuration, of a model that runs where the test does."""
    return f"""
        backend: "python"
        max_batch_size: 8
        input {{ name: "INPUT0" data_type: TYPE_FP32 dims: -1 }}
        output {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: -1 }}
        parameters {{ key: "EXECUTION_MODE" value {{ string_value: "in_process" }} }}
        {more}
    """
