# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Class names of an output, from the file that the configuration names (contract C-6)."""

from __future__ import annotations

from pathlib import Path

from penstock._proto.model_config_pb2 import ModelOutput
from penstock.errors import InvalidArgError

#: A million classes with long names; a larger file is not a list of labels.
_MAX_LABEL_BYTES = 64 * 1024 * 1024


def read_labels(model: str, output: ModelOutput, model_dir: Path) -> tuple[str, ...]:
    """One label a line; () when the output has no file.

    Raises InvalidArgError for a file outside the model's directory or one that cannot be read.
    """
    if not output.label_filename:
        return ()
    path = _inside(model, output, model_dir)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LABEL_BYTES + 1)
    except OSError as error:
        raise _unreadable(model, output, error.strerror or str(error)) from None
    if len(data) > _MAX_LABEL_BYTES:
        raise _unreadable(model, output, f"larger than {_MAX_LABEL_BYTES} bytes")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise _unreadable(model, output, f"not UTF-8 text at byte {error.start}") from None
    if lines[-1] == "":
        lines.pop()  # the end of the last line, not an empty label
    return tuple(line.removesuffix("\r") for line in lines)


def _inside(model: str, output: ModelOutput, model_dir: Path) -> Path:
    """The file's real path. Links are followed first, so that none leads out of the directory."""
    name = output.label_filename
    try:
        path = (model_dir / name).resolve()
        inside = path.is_relative_to(model_dir.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(model, output, str(error)) from None
    if not inside:
        raise InvalidArgError(
            f"label file path '{name}' for output '{output.name}' in model '{model}' is outside "
            "model directory"
        )
    return path


def _unreadable(model: str, output: ModelOutput, reason: str) -> InvalidArgError:
    return InvalidArgError(
        f"failed to read label file '{output.label_filename}' for output '{output.name}' in model "
        f"'{model}': {reason}"
    )
