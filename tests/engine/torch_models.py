# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Writes PyTorch models for tests."""

from __future__ import annotations

import functools
import io
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")


@functools.cache
def script(arguments: str, *body: str, name: str = "forward") -> bytes:
    """The file of a script module with this method. PyTorch never forgets a script, so few."""
    source = "\n    ".join([f"def {name}(self, {arguments}):", *body, ""])
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.script(type("Model", (torch.nn.Module,), {})())
        module.define(source)
        torch.jit.save(module, file)
    return file.getvalue()


def save_script(model_dir: Path, arguments: str, *body: str, name: str = "forward") -> Path:
    """Version 1: a script module whose `forward` has these arguments and this body."""
    (model_dir / "1").mkdir(parents=True, exist_ok=True)
    (model_dir / "1" / "model.pt").write_bytes(script(arguments, *body, name=name))
    return model_dir


def save_exported(model_dir: Path, module: Any, arguments: Any, **options: Any) -> Path:
    """Version 1: a module as torch.export has it; `options` are those of torch.export.export."""
    (model_dir / "1").mkdir(parents=True, exist_ok=True)
    program = torch.export.export(module.eval(), arguments, **options)
    torch.export.save(program, model_dir / "1" / "model.pt2")
    return model_dir


class Sentinel:
    """Unpickling this makes a file: the proof that a pickle was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))
