# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Ensembles, written to a folder: their tensors, their steps, their configuration."""

from __future__ import annotations

from pathlib import Path


def tensors(kind: str, *names: str, dims: str = "4", data_type: str = "FP32") -> str:
    """Inputs or outputs of one type and shape."""
    return "".join(
        f'{kind} {{ name: "{name}" data_type: TYPE_{data_type} dims: [{dims}] }}\n'
        for name in names
    )


def step(model: str, inputs: dict[str, str], outputs: dict[str, str], version: int = -1) -> str:
    """One step; `inputs` and `outputs`: from the model's tensors to the ensemble's."""
    maps = [("input_map", inputs), ("output_map", outputs)]
    entries = "".join(
        f'{field} {{ key: "{key}" value: "{value}" }} '
        for field, pairs in maps
        for key, value in pairs.items()
    )
    return f'step {{ model_name: "{model}" model_version: {version} {entries} }}\n'


def write_ensemble(root: Path, name: str, steps: str, io: str, extra: str = "") -> None:
    """`io`: the ensemble's tensors; `extra`: beside the steps."""
    (root / name / "1").mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" platform: "ensemble" max_batch_size: 8\n{io}'
        f"ensemble_scheduling {{ {steps} {extra} }}"
    )
