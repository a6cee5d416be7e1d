# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `tensorrt`: engines that TensorRT has built (contract 3.2, 5.4).

The GPUs are looked for first, by the driver: TensorRT itself ends the process without one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from penstock.backends.framework import complete, is_complete, match
from penstock.backends.framework.availability import refuse_accelerators
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import (
    InvalidArgError,
    ServerError,
    UnavailableError,
    UnsupportedError,
)

from .device import Device, open_runtime
from .engine import Engine
from .instance import TensorRtInstance
from .library import load_plugins, make_log, open_bindings
from .profiles import asked_profiles

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

_log = logging.getLogger(__name__)

DEFAULT_FILENAME: Final = "model.plan"


class TensorRtBackend:
    """Opens TensorRT at the first model, and only on a machine with a usable GPU."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bindings: ModuleType | None = None
        self._messages: Any = None

    def prefers_gpus(self) -> bool:
        """There is nothing else (C-10)."""
        return True

    def takes_device_tensors(self, context: ModelContext) -> bool:
        """Engines run on nothing else."""
        return True

    def auto_complete(self, context: ModelContext) -> None:
        """Fills inputs, outputs and batching from the engine (3.2). Raises ServerError."""
        self._require_gpu(context)
        if is_complete(context):
            return
        index = _first_gpu(context)
        device = self.open_device(context, index)
        try:
            engine = self.read(context, index, None)
        finally:
            device.close()
        _complete_batching(context, engine)
        complete(context, engine.inputs, engine.outputs)

    def load(self, context: ModelContext) -> TensorRtModel:
        """Reads the engine once a GPU, as instances come. Raises ServerError."""
        self._require_gpu(context)
        refuse_accelerators("TensorRT", context)
        _find_plan(context, _first_gpu(context))
        if context.config.optimization.cuda.graphs:
            _log.warning("model '%s': 'optimization.cuda.graphs' has no effect", context.name)
        return TensorRtModel(context, self)

    def _require_gpu(self, context: ModelContext) -> None:
        if context.gpus.ids:
            return
        raise UnsupportedError(
            f"unable to load model '{context.name}' version {context.version}: TensorRT runs on "
            f"GPUs only, and no GPUs are available: {context.gpus.why_none}. Install NVIDIA's "
            f"driver, or serve the model in another format, such as ONNX"
        )

    def open_bindings(self, context: ModelContext) -> tuple[ModuleType, Any]:
        """The bindings and their log. Raises ServerError."""
        with self._lock:
            if self._bindings is None:
                bindings = open_bindings()
                self._messages = make_log(bindings)
                load_plugins(bindings, self._messages, context.backend_config.get("plugins", ""))
                self._bindings = bindings
            return self._bindings, self._messages

    def open_device(self, context: ModelContext, index: int) -> Device:
        """For the calling thread. Raises ServerError naming the model."""
        with _naming(context):
            return Device(open_runtime(), index)

    def read(self, context: ModelContext, device: int, dla_core: int | None) -> Engine:
        """The engine, read on the thread's device. Raises ServerError naming the model."""
        plan = _find_plan(context, device).read_bytes()
        bindings, log = self.open_bindings(context)
        runtime = bindings.Runtime(log)
        if context.backend_config.get("version-compatible", "").lower() in ("true", "1"):
            runtime.engine_host_code_allowed = True
        with _naming(context):
            if dla_core is not None:
                _choose_dla_core(runtime, dla_core)
            return Engine(bindings, runtime, log, plan)


class TensorRtModel:
    """One loaded version: an engine for each GPU (and DLA core) of its instances."""

    def __init__(self, context: ModelContext, backend: TensorRtBackend) -> None:
        self._context = context
        self._backend = backend
        self._lock = threading.Lock()
        self._engines: dict[tuple[int, int | None], Engine] = {}

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> TensorRtInstance:
        """Raises ServerError where the configuration and the engine disagree."""
        context = self._context
        if spec.kind != "GPU":
            raise UnsupportedError(
                f"instance '{spec.name}' of model '{context.name}' has kind KIND_{spec.kind}, "
                f"TensorRT runs on GPUs only"
            )
        device = self._backend.open_device(context, spec.device_id)
        try:
            engine = self._engine(spec)
            scalars = match(context, engine.inputs, engine.outputs)
            _check_batch_size(context, engine, spec)
            _, log = self._backend.open_bindings(context)
            return TensorRtInstance(context, plan, spec, engine, device, log, scalars=scalars)
        except BaseException:
            device.close()
            raise

    def unload(self) -> None:
        """An engine ends with its last instance."""
        with self._lock:
            self._engines.clear()

    def _engine(self, spec: InstanceSpec) -> Engine:
        key = (spec.device_id, spec.dla_core)
        with self._lock:
            engine = self._engines.get(key)
            if engine is None:
                engine = self._engines[key] = self._backend.read(
                    self._context, spec.device_id, spec.dla_core
                )
            return engine


@contextmanager
def _naming(context: ModelContext) -> Iterator[None]:
    """Errors say which model they are about."""
    try:
        yield
    except ServerError as error:
        raise type(error)(
            f"unable to load model '{context.name}' version {context.version}: {error.message}"
        ) from None


def _find_plan(context: ModelContext, device: int) -> Path:
    """An engine is built for one compute capability; there may be one for each."""
    path = context.model_path(DEFAULT_FILENAME)
    for gpu in context.gpus.usable:
        major, minor = gpu.compute_capability
        filename = context.config.cc_model_filenames.get(f"{major}.{minor}")
        if gpu.index == device and filename:
            path = context.version_dir / filename
    if not path.is_file():
        raise UnavailableError(
            f"unable to find '{context.shown_path(path)}' for model '{context.name}'"
        )
    return path


def _first_gpu(context: ModelContext) -> int:
    listed = [gpu for group in context.config.instance_group for gpu in group.gpus]
    return next((gpu for gpu in listed if gpu in context.gpus.ids), context.gpus.ids[0])


def _choose_dla_core(runtime: Any, core: int) -> None:
    if core >= runtime.num_DLA_cores:
        raise InvalidArgError(
            f"secondary device NVDLA {core} does not exist, TensorRT finds "
            f"{runtime.num_DLA_cores} DLA cores"
        )
    runtime.DLA_core = core


def _complete_batching(context: ModelContext, engine: Engine) -> None:
    """max_batch_size is the largest batch of the profiles that are used (3.2)."""
    config = context.config
    tensors = [*engine.inputs, *engine.outputs]
    batchable = bool(tensors) and all(dims and dims[0] == -1 for _, _, dims in tensors)
    if not batchable or config.max_batch_size > 0 or context.max_batch_size_set:
        return
    names = [name for group in config.instance_group for name in group.profile]
    profiles = asked_profiles(engine.profiles, names, f"model '{context.name}'")
    config.max_batch_size = max(profile.max_batch_size for profile in profiles)
    if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.SetInParent()


def _check_batch_size(context: ModelContext, engine: Engine, spec: InstanceSpec) -> None:
    configured = context.config.max_batch_size
    if configured == 0:
        return
    title = f"instance '{spec.name}' of model '{context.name}'"
    profiles = asked_profiles(engine.profiles, spec.profiles, title)
    largest = max(profile.max_batch_size for profile in profiles)
    if configured > largest:
        raise InvalidArgError(
            f"unable to load model '{context.name}', configuration specifies max-batch "
            f"{configured} but TensorRT engine only supports max-batch {largest}"
        )
