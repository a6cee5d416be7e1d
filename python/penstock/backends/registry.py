# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Finds back ends by name: one visible table, then what other packages offer.

A package adds a back end through the entry-point group `penstock.backends`; a name of the table is
never replaced. Nothing is imported before a model needs it.
"""

from __future__ import annotations

import importlib
import threading
from importlib.metadata import EntryPoint, entry_points
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

_lock = threading.RLock()
_found: dict[str, Backend] = {}


def find_backend(name: str) -> Backend:
    """The back end of that name: one object for the life of the process, made at first use.

    Raises InvalidArgError for a name nobody knows (contract 3.4), UnsupportedError when it cannot
    be used here, with the cure; a later call tries again.
    """
    with _lock:
        backend = _found.get(name)
        if backend is None:
            backend = _found[name] = _make(name)
        return backend


def _make(name: str) -> Backend:
    target = BACKENDS.get(name)
    try:
        if target is not None:
            module, _, attribute = target.partition(":")
            factory = getattr(importlib.import_module(module), attribute)
        else:
            factory = _entry_point(name).load()
        return cast(Backend, factory())
    except ImportError as error:
        raise UnsupportedError(f"back end '{name}' cannot be loaded: {error}") from error


def _entry_point(name: str) -> EntryPoint:
    for entry_point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return entry_point
    raise InvalidArgError(
        f"unable to find backend library for backend '{name}', try specifying runtime on the model "
        f"configuration."
    )
