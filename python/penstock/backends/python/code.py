# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Where a model's code is: in its version's folder, or in its back end's (contract 3.4, 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError

DEFAULT_FILENAME: Final = "model.py"


@dataclass(frozen=True)
class ModelCode:
    """The files of one version's code."""

    #: what is imported
    file: Path
    #: the file as errors show it
    shown: str
    #: where its own modules are
    modules: tuple[Path, ...]
    #: the folders whose frames errors show
    roots: tuple[Path, ...]


def version_code(context: ModelContext) -> ModelCode:
    """Of a model that has its own. Raises InvalidArgError when the file is not there, or must not
    be imported."""
    path = context.model_path(DEFAULT_FILENAME)
    if path.suffix != ".py":
        raise InvalidArgError(
            f"invalid default_model_filename '{path.name}' of Python model '{context.name}': it "
            f"must end with '.py'"
        )
    if not path.is_file():
        raise InvalidArgError(f"Python model file not found in '{path}'")
    modules = (path.parent, path.parent.parent)
    return ModelCode(path, context.shown_path(path), modules, (context.model_dir,))


def backend_code(context: ModelContext, directory: Path) -> ModelCode:
    """Of a model whose back end is the `model.py` of a folder; what the model's own folders have
    beside it can be imported, too. Raises InvalidArgError when the file is gone."""
    path = directory / DEFAULT_FILENAME
    if not path.is_file():
        raise InvalidArgError(f"Python model file not found in '{path}'")
    modules = (directory, context.version_dir, context.model_dir)
    roots = (context.model_dir, directory)
    return ModelCode(path, f"{directory.name}/{path.name}", modules, roots)
