# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Finds back ends by name: one visible table, what other packages offer, a folder of `model.py`s.

A package adds a back end through the entry-point group `penstock.backends`; a name of the table is
never replaced. Nothing is imported before a model needs it.

The folder (`--backend-directory`) holds Python-based back ends: `<name>/model.py` serves all models
whose back end has that name (contract 3.4, 5.1).
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, cast

from penstock.backends.interface import Backend
from penstock.errors import InvalidArgError, UnsupportedError

#: name in a model's configuration -> "module:class"
BACKENDS: Final[dict[str, str]] = {
    "identity": "penstock.backends.identity:IdentityBackend",
    "jax": "penstock.backends.jax:JaxBackend",
    "litert": "penstock.backends.litert:LiteRtBackend",
    "onnxruntime": "penstock.backends.onnxruntime:OnnxRuntimeBackend",
    "openvino": "penstock.backends.openvino:OpenVinoBackend",
    "python": "penstock.backends.python:PythonBackend",
    "pytorch": "penstock.backends.pytorch:PytorchBackend",
    "tensorflow": "penstock.backends.tensorflow:TensorFlowBackend",
    "tensorrt": "penstock.backends.tensorrt:TensorRtBackend",
}
ENTRY_POINT_GROUP: Final = "penstock.backends"
#: What makes a folder a Python-based back end.
BACKEND_FILENAME: Final = "model.py"
#: Names of the folder that an error shows.
_MOST_NAMES: Final = 20

_lock = threading.RLock()
_found: dict[str, Backend] = {}
#: by the back end's own folder
_python_based: dict[Path, Backend] = {}


def find_backend(name: str, directory: Path | None = None) -> Backend:
    """The back end of that name: one object for the life of the process, made at first use.

    `directory`: the folder of Python-based back ends, which is asked last. Raises InvalidArgError
    for a name nobody knows, with where it was looked for (contract 3.4), UnsupportedError when it
    cannot be used here, with the cure; a later call tries again.
    """
    with _lock:
        backend = _found.get(name)
        if backend is not None:
            return backend
        offered = None if name in BACKENDS else _entry_point(name)
        if name in BACKENDS or offered is not None:
            backend = _found[name] = _make(name, offered)
            return backend
        folder = _folder(name, directory)
        backend = _python_based.get(folder)
        if backend is None:
            backend = _python_based[folder] = _factory(BACKENDS["python"])(folder)
        return backend


def _make(name: str, offered: EntryPoint | None) -> Backend:
    try:
        return cast(Backend, offered.load()()) if offered else _factory(BACKENDS[name])()
    except ImportError as error:
        raise UnsupportedError(f"back end '{name}' cannot be loaded: {error}") from error


def _factory(target: str) -> Callable[..., Backend]:
    module, _, attribute = target.partition(":")
    return cast(Callable[..., Backend], getattr(importlib.import_module(module), attribute))


def _entry_point(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=ENTRY_POINT_GROUP, name=name)), None)


def _folder(name: str, directory: Path | None) -> Path:
    """Of a Python-based back end. Raises InvalidArgError."""
    # A name with a slash, or "..", would lead out.
    if directory is not None and "/" not in name and name not in (".", ".."):
        try:
            if (directory / name / BACKEND_FILENAME).is_file():
                return (directory / name).absolute()
        except (OSError, ValueError):
            pass  # no file can have that name
    raise InvalidArgError(
        f"unable to find backend library for backend '{name}', try specifying runtime on the model "
        f"configuration. {_what_there_is(name, directory)}"
    )


def _what_there_is(name: str, directory: Path | None) -> str:
    offered = sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})
    texts = [
        f"Back ends of Penstock: {', '.join(BACKENDS)}",
        f"of installed packages: {', '.join(offered) or 'none'}",
    ]
    if directory is not None:
        found = sorted(path.parent.name for path in directory.glob(f"*/{BACKEND_FILENAME}"))
        names = ", ".join(found[:_MOST_NAMES]) + (", ..." if len(found) > _MOST_NAMES else "")
        there = "" if directory.is_dir() else ", which is no folder"
        texts.append(f"of --backend-directory '{directory}'{there}: {names or 'none'}")
        texts.append(f"'{directory}/{name}/{BACKEND_FILENAME}' is not there")
    return "; ".join(texts)
