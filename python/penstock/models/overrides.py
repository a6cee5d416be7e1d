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

LoadParameter = bool | int | str | bytes

_FILE = "file:"


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


class Workspace:
    """A temporary model directory that holds the files of a load request."""

    def __init__(self, model: str, files: Mapping[str, bytes]) -> None:
        """Writes the files. Raises InternalError when the disk does not take them."""
        self._root = tempfile.TemporaryDirectory(prefix="penstock-model-")
        self.model_dir = Path(self._root.name) / model
        try:
            self.model_dir.mkdir()
            for name, content in files.items():
                path = self.model_dir / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        except OSError as error:
            self.remove()
            raise InternalError(
                f"failed to write the files of model '{model}': {error.strerror}"
            ) from None

    def remove(self) -> None:
        """Delete everything; once no model is loaded from here."""
        self._root.cleanup()


def _relative_path(parameter: str) -> str:
    """The file's path inside the model's directory. Raises InvalidArgError for any other."""
    path = posixpath.normpath(parameter.removeprefix(_FILE))
    if path in {".", ".."} or path.startswith(("/", "../")) or "\0" in path:
        raise InvalidArgError(
            f"Invalid file parameter '{parameter}' with normalized path '{path}' must stay within "
            "model directory."
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
