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
from penstock._proto.model_config_pb2 import ModelInstanceGroup
from penstock.backends.framework import TensorSignature, complete, is_complete
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import InvalidArgError, ServerError, UnavailableError, UnsupportedError

from .options import Options, inspection_options, session_options
from .providers import Provider, cpu_providers, cure, gpu_providers

if TYPE_CHECKING:
    from penstock._engine import ModelPlan, NativeInstance, OnnxModel, OnnxRuntime

DEFAULT_FILENAME: Final = "model.onnx"
_CUDA_LIBRARY: Final = "libonnxruntime_providers_cuda.so"
_LIBRARY: Final = re.compile(r"libonnxruntime\.so(\.\d+)*")


class OnnxRuntimeBackend:
    """Opens the library at the first model; there is one environment a process."""

    def __init__(self) -> None:
        """Raises UnsupportedError when ONNX Runtime is not installed."""
        self._library = find_library()
        self._lock = threading.Lock()
        self._runtime: OnnxRuntime | None = None

    def prefers_gpus(self) -> bool:
        """Where the installed library is one for GPUs (C-10)."""
        return self._library.with_name(_CUDA_LIBRARY).is_file()

    def takes_device_tensors(self, context: ModelContext) -> bool:
        """On its CUDA provider; TensorRT's takes them, too."""
        return True

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
        """Loads the model once a device. Raises as `auto_complete` does."""
        runtime = self._open(context.backend_config)
        return LoadedOnnxModel(context, runtime, _find_model(context))

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
    """One loaded version: a session for the CPU, one for each GPU; instances share them."""

    def __init__(self, context: ModelContext, runtime: OnnxRuntime, path: Path) -> None:
        """Raises ServerError for options, and for a provider that the library has not."""
        self._context = context
        self._runtime = runtime
        groups = context.config.instance_group
        on_gpus = [group for group in groups if group.kind == ModelInstanceGroup.KIND_GPU]
        devices: set[int | None] = {gpu for group in on_gpus for gpu in group.gpus}
        if len(on_gpus) < len(groups) or not groups:
            devices.add(None)
        if not on_gpus:
            self._refuse_gpu_accelerators()
        options = session_options(context)
        self._sessions = {device: self._make_session(device, path, options) for device in devices}

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> NativeInstance:
        """Raises InvalidArgError where the plan and the model disagree (5.2, load checks)."""
        session = self._sessions.get(spec.device_id if spec.kind == "GPU" else None)
        if session is None:
            raise UnavailableError(f"model of instance '{spec.name}' has been unloaded")
        return session.create_instance(plan)

    def unload(self) -> None:
        """A session ends with its last instance."""
        self._sessions = {}

    def _make_session(self, device: int | None, path: Path, options: Options) -> OnnxModel:
        """On a GPU; None: on the CPU."""
        if device is None:
            providers = cpu_providers(self._context)
        else:
            providers = gpu_providers(self._context, device)
        self._check(providers)
        return _engine.OnnxModel(self._runtime, str(path), options, providers)

    def _check(self, providers: Sequence[Provider]) -> None:
        """Raises UnsupportedError, in ONNX Runtime's words, for one that sessions cannot have."""
        context = self._context
        for name, settings in providers:
            try:
                self._runtime.check_provider(name, settings)
            except ServerError as error:
                words = error.message.strip().removesuffix(".")
                raise UnsupportedError(
                    f"unable to load model '{context.name}' version {context.version}: ONNX "
                    f"Runtime's {name} execution provider cannot be used: {words}{cure(name)}"
                ) from None

    def _refuse_gpu_accelerators(self) -> None:
        """One that is asked for is never left out; on instances of the CPU it would be."""
        context = self._context
        asked = context.config.optimization.execution_accelerators.gpu_execution_accelerator
        if not asked:
            return
        self._check(gpu_providers(context, 0))
        raise UnsupportedError(
            f"unable to load model '{context.name}' version {context.version}: Execution "
            f"Accelerator '{asked[0].name}' is for instances of kind KIND_GPU, and the model has "
            f"none; GPUs found: {[*context.gpus.ids] or context.gpus.why_none}"
        )


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
