# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a load request gives instead of files of the repository (contract REP-2)."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.config.model_config import ParsedConfig, parse_json
from penstock.errors import InternalError, InvalidArgError
from penstock.models.files import ModelFiles

LoadParameter = bool | int | str | bytes

_FILE = "file:"
#: Linux's limits; the path's leaves room for the folder that it is in.
_MAX_NAME_BYTES = 255
_MAX_PATH_BYTES = 3072


@dataclass(frozen=True)
class Overrides:
    """A configuration and, by their relative path, files that replace the model's directory."""

    config: ParsedConfig
    files: Mapping[str, bytes]


def parse_overrides(parameters: Mapping[str, LoadParameter] | None) -> Overrides | None:
    """None when there are no parameters. Raises InvalidArgError."""
    config: ParsedConfig | None = None
    files: dict[str, bytes] = {}
    for name, value in (parameters or {}).items():
        if name == "config":
            if not isinstance(value, str):
                raise InvalidArgError(
                    "Config parameter 'config' must have string type for its value"
                )
            config = parse_json(value)
        elif name.startswith(_FILE):
            if not isinstance(value, bytes):
                raise InvalidArgError(f"File parameter '{name}' must have bytes type for its value")
            path = _relative_path(name)
            if path in files:
                raise InvalidArgError(
                    f"Invalid file parameter '{name}', file is specified more than once"
                )
            files[path] = value
        else:
            raise InvalidArgError(
                f"Unrecognized load parameter '{name}' with type '{_type_name(value)}'"
            )
    _check_folders(files)
    if config is None:
        if files:
            raise InvalidArgError(
                "Load parameter 'config' must be specified for model file override"
            )
        return None
    return Overrides(config, files)


def write_files(model: str, files: Mapping[str, bytes]) -> ModelFiles:
    """A temporary model directory with the files of a load request.

    Raises InternalError when the disk does not take them; nothing is left then.
    """
    try:
        root = tempfile.TemporaryDirectory(prefix="penstock-model-")
    except OSError as error:
        raise _not_written(model, error) from None
    model_dir = Path(root.name) / model
    try:
        model_dir.mkdir()
        for name, content in files.items():
            path = model_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        root.cleanup()
        raise _not_written(model, error) from None
    return ModelFiles(model_dir, None, root.cleanup)


def _not_written(model: str, error: OSError) -> InternalError:
    return InternalError(f"failed to write the files of model '{model}': {error.strerror}")


def _relative_path(parameter: str) -> str:
    """The file's path inside the model's directory. Raises InvalidArgError for any other."""
    path = posixpath.normpath(parameter.removeprefix(_FILE))
    if path in {".", ".."} or path.startswith(("/", "../")) or "\0" in path:
        raise InvalidArgError(
            f"Invalid file parameter '{parameter}' with normalized path '{path}' must stay within "
            "model directory."
        )
    if any(len(part.encode()) > _MAX_NAME_BYTES for part in path.split("/")) or (
        len(path.encode()) > _MAX_PATH_BYTES
    ):
        raise InvalidArgError(
            f"Invalid file parameter '{parameter[:_MAX_PATH_BYTES]}', no file can have so long a "
            "name"
        )
    return path


def _check_folders(files: Mapping[str, bytes]) -> None:
    """No file may be where another one needs a folder. Raises InvalidArgError."""
    for path in files:
        folder = posixpath.dirname(path)
        while folder:
            if folder in files:
                raise InvalidArgError(
                    f"Invalid file parameter '{_FILE}{folder}', directory has been created as a "
                    "file"
                )
            folder = posixpath.dirname(folder)


def _type_name(value: LoadParameter) -> str:
    if isinstance(value, bool):
        return "BOOL"
    return {int: "INT", str: "STRING", bytes: "BYTES"}.get(type(value), "UNKNOWN")
