# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How environments are built: from an archive, or from requirements. A recipe's key is the content
that the environment is made of."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import re
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from penstock.errors import InternalError, InvalidArgError
from penstock.serving.environments.archive import unpack
from penstock.serving.environments.interpreter import environment_changes
from penstock.serving.environments.tool import run_tool
from penstock.serving.workers.process import changed

_LOGGER: Final = logging.getLogger(__name__)

#: A step of a build is given up after this.
BUILD_S: Final = 1800.0
_CHUNK_BYTES: Final = 1 << 20
#: Requirements that include others: so many files, so large each.
_MAX_FILES: Final = 100
_MAX_FILE_BYTES: Final = 1 << 20
_INCLUDE: Final = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|\s*=\s*)?(\S+)")
#: A line that names files by where the requirements are.
_RELATIVE: Final = re.compile(
    r"(?:-f|--find-links|-e|--editable)[\s=]+(?!/|[a-z+]+:)|[\w.-]+/", re.ASCII
)
_PIP: Final = ("--no-input", "--disable-pip-version-check", "--progress-bar=off")


class ArchiveRecipe:
    """An archive as conda-pack makes it: the environment's folder, with `bin/python`."""

    def __init__(self, archive: Path, max_bytes: int) -> None:
        """Reads all of it, for its key, unless it was read before. Raises OSError."""
        self._archive = archive
        self._max_bytes = max_bytes
        self._state = _state(archive)
        self.key = f"archive-{_digest(archive, self._state)}"

    def build(self, folder: Path, keep_open: int) -> None:
        """Unpacks it, and has it learn its new place. Raises ServerError, OSError."""
        _LOGGER.info("unpacking execution environment '%s'", self._archive)
        unpack(self._archive, folder, self._max_bytes)
        if _state(self._archive) != self._state:
            raise InternalError("it was changed while it was read; load the model again")
        mend = folder / "bin" / "conda-unpack"
        if mend.is_file():
            command: list[str | Path] = [folder / "bin" / "python", mend]
            _run(command, f"conda-unpack of {_label(self._archive)}", folder, keep_open)


class RequirementsRecipe:
    """A `requirements.txt`, for the server's version of Python."""

    def __init__(self, file: Path) -> None:
        """Reads it and what it includes. Raises OSError, InvalidArgError."""
        self._file = file
        python = [sys.version, sysconfig.get_platform(), sys.base_prefix]
        texts = requirement_texts(file)
        lines = [line.strip() for text in texts for line in text.splitlines()]
        place = str(file.parent) if any(map(_RELATIVE.match, lines)) else ""
        content = json.dumps([*python, place, *texts])
        self.key = f"requirements-{hashlib.sha256(content.encode()).hexdigest()}"

    def build(self, folder: Path, keep_open: int) -> None:
        """Makes a venv and has pip install into it. Raises ServerError, OSError.

        The server's pip, if it has one: a venv with a pip of its own takes seconds longer.
        """
        _LOGGER.info("building an execution environment of '%s'", self._file)
        python, label = folder / "bin" / "python", _label(self._file)
        venv: list[str | Path] = [sys.executable, "-m", "venv", folder]
        pip: list[str | Path] = [python, "-m", "pip"]
        if find_spec("pip") is not None:
            venv.append("--without-pip")
            pip = [sys.executable, "-m", "pip", "--python", python]
        _run(venv, f"venv of {label}", folder, keep_open)
        pip += ["install", *_PIP, "-r", self._file]
        _run(pip, f"pip of {label}", folder, keep_open, self._file.parent)


def requirement_texts(file: Path) -> list[str]:
    """Its text, and those of the files that it includes, each once.

    Raises OSError for one that cannot be read, InvalidArgError for too much.
    """
    texts: dict[Path, str] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in texts:
            continue
        if len(texts) == _MAX_FILES or path.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidArgError(
                f"it includes more than {_MAX_FILES} files, or one of more than "
                f"{_MAX_FILE_BYTES} bytes: '{path}'"
            )
        texts[path] = path.read_text("utf-8", "replace")
        for line in texts[path].splitlines():
            match = _INCLUDE.match(line.strip())
            if match and "://" not in match[1]:
                waiting.append(Path(os.path.normpath(path.parent / match[1])))
    return list(texts.values())


def _run(
    command: list[str | Path],
    name: str,
    prefix: Path,
    keep_open: int,
    folder: Path | None = None,
) -> None:
    run_tool(
        command,
        name,
        folder=folder or prefix,
        variables=changed(os.environ, environment_changes(prefix)),
        timeout_s=BUILD_S,
        keep_open=keep_open,
    )


def _label(path: Path) -> str:
    """Short, for lines of the log."""
    return f"{path.parent.name}/{path.name}"


def _state(path: Path) -> tuple[int, int, int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=64)
def _digest(path: Path, state: tuple[int, int, int, int]) -> str:
    """SHA-256 of a file that is in this state."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
