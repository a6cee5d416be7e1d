# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What `penstock run-model` prints: tensors, times and tracebacks."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import penstock
from penstock.cli.table import format_table
from penstock.comparison.tensors import Tensor

_VALUES: Final = 8
_OURS: Final = str(Path(penstock.__file__).parent)


def input_table(tensors: Iterable[Tensor]) -> str:
    """Names, data types, shapes and first values."""
    return format_table(("Input", "Type", "Shape", "Values"), map(_row, tensors))


def output_table(tensors: Iterable[Tensor]) -> str:
    """The same of outputs."""
    return format_table(("Output", "Type", "Shape", "Values"), map(_row, tensors))


def seconds_text(seconds: float) -> str:
    """To three digits or so."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def print_traceback(error: BaseException, model_dir: str) -> None:
    """On stderr, as Python prints it but for the frames around the model's own."""
    shown = traceback.TracebackException.from_exception(error)
    _leave_out_ours(shown, model_dir)
    print("".join(shown.format()), end="", file=sys.stderr, flush=True)


def _leave_out_ours(shown: traceback.TracebackException, model_dir: str) -> None:
    """Of it, and of what it was raised from: a tree, which TracebackException has seen to."""
    first = next((i for i, f in enumerate(shown.stack) if f.filename.startswith(model_dir)), 0)
    frames = [frame for frame in shown.stack[first:] if not frame.filename.startswith(_OURS)]
    shown.stack[:] = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    for inner in (shown.__cause__, shown.__context__, *(shown.exceptions or ())):
        if inner is not None:
            _leave_out_ours(inner, model_dir)


def _row(tensor: Tensor) -> tuple[str, str, str, str]:
    flat = tensor.array.ravel()[:_VALUES].tolist()
    values = " ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in flat)
    more = " ..." if tensor.array.size > _VALUES else ""
    return tensor.name, tensor.datatype, str(list(tensor.shape)), values + more
