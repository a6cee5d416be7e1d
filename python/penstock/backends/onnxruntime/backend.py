# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `onnxruntime`: ONNX models through ONNX Runtime's C library (contract 5.2).

The library is that of the installed `onnxruntime` package, which is found and never imported: the
core opens the library itself and runs models without the GIL.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from penstock import _engine
from penstock.backends.framework import TensorSignature, complete, is_complete
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import InvalidArgError, UnavailableError, UnsupportedError

from .options import inspection_options, session_options

if TYPE_CHECKING:
    from penstock._engine import ModelPlan, NativeInstance, OnnxModel, OnnxRuntime

DEFAULT_FILENAME: Final = "model.onnx"
_LIBRARY: Final = re.compile(r"libonnxruntime\.so(\.\d+)*")


class OnnxRuntimeBackend:
    """Opens the library at the first model; there is one environment a process."""

    def __init__(self) -> None:
        """Raises UnsupportedError when ONNX Runtime is not installed."""
        self._library = find_library()
        self._lock = threading.Lock()
        self._runtime: OnnxRuntime | None = None

    def auto_complete(self, context: ModelContext) -> None:
        """Fills inputs, outputs and batching from the model (3.2), unless all is said.

        Raises ServerError with ONNX Runtime's words, InvalidArgError where the configuration and
        the model disagree.
        """
        if is_complete(context):
            return
        model = _engine.OnnxModel(
            self._open(context.backend_config), str(_find_model(context)), inspection_options()
        )
        complete(context, _signatures(model.inputs), _signatures(model.outputs))

    def load(self, context: ModelContext) -> LoadedOnnxModel:
        """Loads the model once; its instances share it. Raises as `auto_complete` does."""
        model = _engine.OnnxModel(
            self._open(context.backend_config),
            str(_find_model(context)),
            session_options(context),
        )
        return LoadedOnnxModel(model)

    def _open(self, settings: Mapping[str, str]) -> OnnxRuntime:
        with self._lock:
            if self._runtime is None:
                self._runtime = _engine.OnnxRuntime(
                    str(self._library),
                    intra_op_threads=_count(settings, "intra_op_thread_count"),
                    inter_op_threads=_count(settings, "inter_op_thread_count"),
                    global_thread_pool=_switch(settings, "enable-global-threadpool"),
                )
            return self._runtime


class LoadedOnnxModel:
    """One loaded version."""

    def __init__(self, model: OnnxModel) -> None:
        self._model: OnnxModel | None = model

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> NativeInstance:
        """Raises InvalidArgError where the plan and the model disagree (5.2, load checks)."""
        if spec.kind == "GPU":
            raise UnsupportedError(
                f"instance '{spec.name}' has kind KIND_GPU, ONNX Runtime runs on the CPU here"
            )
        if self._model is None:
            raise UnavailableError(f"model of instance '{spec.name}' has been unloaded")
        return self._model.create_instance(plan)

    def unload(self) -> None:
        """The session ends with its last instance."""
        self._model = None


def find_library() -> Path:
    """The library of the installed package. Raises UnsupportedError naming the cure."""
    spec = find_spec("onnxruntime")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in sorted(Path(location, "capi").glob("libonnxruntime.so*"), reverse=True):
            if _LIBRARY.fullmatch(path.name):
                return path
    raise UnsupportedError(
        "back end 'onnxruntime' needs ONNX Runtime, which is not installed: "
        "pip install 'penstock[onnx]'"
    )


def _signatures(
    tensors: Sequence[tuple[str, int, tuple[int, ...] | None]],
) -> list[TensorSignature]:
    return [TensorSignature(*tensor) for tensor in tensors]


def _find_model(context: ModelContext) -> Path:
    """The model's file; a directory of that name holds it beside its external data (3.3)."""
    path = context.model_path(DEFAULT_FILENAME)
    if path.is_dir():
        path = path / DEFAULT_FILENAME
    if not path.is_file():
        raise UnavailableError(
            f"unable to find '{context.shown_path(path)}' for model '{context.name}'"
        )
    return path


def _count(settings: Mapping[str, str], name: str) -> int:
    text = settings.get(name, "0")
    if not text.isdecimal():
        raise InvalidArgError(f"--backend-config=onnxruntime,{name} must be a count, got '{text}'")
    return int(text)


def _switch(settings: Mapping[str, str], name: str) -> bool:
    text = settings.get(name, "0").lower()
    if text not in ("0", "1", "false", "true"):
        raise InvalidArgError(f"--backend-config=onnxruntime,{name} must be 0 or 1, got '{text}'")
    return text in ("1", "true")
