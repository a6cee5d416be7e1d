# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The execution environment of a model (contract 5.1): found, and where it must be, built.

The parameter `EXECUTION_ENV_PATH` names an archive of conda-pack, a folder with `bin/python`, or a
`requirements.txt`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError, ServerError, error_from_code
from penstock.serving.environments.interpreter import find_interpreter, worker_program
from penstock.serving.environments.recipes import ArchiveRecipe, RequirementsRecipe
from penstock.serving.environments.store import EnvironmentStore, StoredEnvironment
from penstock.serving.workers.process import Program
from penstock.serving.workers.settings import EXECUTION_ENV_PATH, parameter

DEFAULT_CACHE_BYTES: Final = 32 << 30
_MODEL_DIRECTORY: Final = "$$TRITON_MODEL_DIRECTORY"


class Environment:
    """One that a model uses, until `release`."""

    def __init__(self, program: Program, stored: StoredEnvironment | None) -> None:
        self.program = program
        self._stored = stored

    def release(self) -> None:
        """No process of the model runs in it any more."""
        if self._stored is not None:
            self._stored.release()


class Environments:
    """The environments of a server. Thread safe; makes nothing before it is needed."""

    def __init__(self, root: Path, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        """`root`: where those that are built are kept, at most `max_bytes` of them."""
        self._store = EnvironmentStore(root, max_bytes)

    def open(self, context: ModelContext, default: Path | None) -> Environment | None:
        """That of a model; None: the server's own. May take as long as a build.

        `default`: of a model that names none. Raises ServerError naming the environment, and why it
        cannot be used.
        """
        path = _path(context) or default
        if path is None:
            return None
        stored = None
        try:
            stored = self._stored(path)
            prefix = stored.path if stored is not None else path
            return Environment(worker_program(find_interpreter(prefix), prefix), stored)
        except BaseException as error:
            if stored is not None:
                stored.release()
            if isinstance(error, ServerError):
                text = f"execution environment '{path}' of model '{context.name}': {error.message}"
                raise error_from_code(error.code, text) from error
            raise

    def _stored(self, path: Path) -> StoredEnvironment | None:
        """None for a folder, which is used where it is."""
        if path.is_dir():
            return None
        recipe: ArchiveRecipe | RequirementsRecipe
        try:
            if path.suffix == ".txt":
                recipe = RequirementsRecipe(path)
            else:
                recipe = ArchiveRecipe(path, self._store.max_bytes)
        except OSError as error:
            raise InvalidArgError(f"it cannot be read: {error.strerror}") from None
        return self._store.open(recipe.key, recipe.build)


def default_root(variables: Mapping[str, str]) -> Path:
    """The user's cache."""
    home = variables.get("HOME", "/tmp")  # noqa: S108 - where nobody has a home
    user = variables.get("XDG_CACHE_HOME") or f"{home}/.cache"
    return Path(user).absolute() / "penstock" / "environments"


def _path(context: ModelContext) -> Path | None:
    text = parameter(context.config, EXECUTION_ENV_PATH)
    if text.startswith(_MODEL_DIRECTORY):
        text = f"{context.model_dir}{text.removeprefix(_MODEL_DIRECTORY)}"
    if "\0" in text:
        raise InvalidArgError(f"model '{context.name}': {EXECUTION_ENV_PATH} is no path")
    return Path(os.path.abspath(text)) if text else None
