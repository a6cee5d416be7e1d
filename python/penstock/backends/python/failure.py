# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a client and the log may see of a model's exception.

The text has the form that Triton's Python back end gives it: the exception, then `At:` and the
frames, outermost first. Only frames in the model's own files are shown, by their path below the
model repository.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

_MAX_TEXT: Final = 4096
_MAX_FRAMES: Final = 16


def failure_text(error: BaseException, model_dir: Path) -> str:
    """`<type>: <message>`, and where in the model it was raised, if it was raised there."""
    lines = [_exception_text(error)]
    frames = [
        f"  {path}({frame.lineno}): {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if (path := _repository_path(frame.filename, model_dir)) is not None
    ]
    if frames:
        lines += ["", "At:", *frames[-_MAX_FRAMES:]]
    return "\n".join(lines)


def _exception_text(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception as second:  # a model's own __str__ may fail too
        message = f"<its text could not be made: {type(second).__name__}>"
    if len(message) > _MAX_TEXT:
        message = f"{message[:_MAX_TEXT]}..."
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def _repository_path(filename: str, model_dir: Path) -> Path | None:
    path = Path(filename)
    return path.relative_to(model_dir.parent) if path.is_relative_to(model_dir) else None
