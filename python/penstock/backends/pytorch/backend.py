# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `pytorch`: TorchScript, torch.export, AOTInductor and nn.Module (contract 5.3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from penstock.backends.framework import complete, is_complete, load_failure
from penstock.backends.framework.availability import refuse_accelerators
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.backends.model_code import ModelModule
from penstock.errors import InvalidArgError, ServerError, UnavailableError, UnsupportedError

from . import torchscript
from .files import Kind, kind_of, refuse
from .instance import PytorchInstance
from .module import CODE_FILENAME, ModuleProgram, import_code
from .program import Program, ProgramType, device_words
from .settings import ProcessSettings, read_settings
from .torchscript import TorchScriptProgram

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

_DEFAULT_FILENAMES: Final = {"torch_aoti": "model.pt2"}
_EXPECTED: Final = "TorchScript, an exported program or an AOTInductor package"
_LOADABLE: Final = (Kind.TORCHSCRIPT, Kind.EXPORTED, Kind.AOTI)
#: torch.export keeps its state in globals while it reads a file, so models are read in turn.
_reading = threading.Lock()


class PytorchBackend:
    """Reads models of all kinds; which one it is, the file itself says."""

    def __init__(self) -> None:
        self._process = ProcessSettings()

    def prefers_gpus(self) -> bool:
        """Where PyTorch is one for GPUs, and can use one (C-10)."""
        return bool(torch.cuda.is_available())

    def takes_device_tensors(self, context: ModelContext) -> bool:
        """Through DLPack."""
        return True

    def auto_complete(self, context: ModelContext) -> None:
        """Fills in what an exported program says (3.2); other files do not know their tensors.

        Raises InvalidArgError for those when inputs or outputs are not configured.
        """
        if is_complete(context):
            return
        if _is_code(context):
            _require_tensors(context, f"the arguments of forward in {CODE_FILENAME}")
            return
        path = _find_file(context)
        kind = _kind(context, path)
        with _own_words(context), _reading:
            if kind is Kind.EXPORTED:
                from . import exported

                tensors = exported.describe(context, path)
                complete(context, tensors.inputs, tensors.outputs)
            elif kind is Kind.TORCHSCRIPT and not context.config.input:
                _require_tensors(context, f"forward takes: {torchscript.describe(path)}")
            else:
                _require_tensors(context, "INPUT__0, ... and OUTPUT__0, ...")

    def load(self, context: ModelContext) -> PytorchModel:
        """Raises ServerError for a file, parameters or an accelerator that cannot be served."""
        refuse_accelerators("PyTorch", context)
        self._process.claim(context)
        if _is_code(context):
            with _own_words(context):
                return PytorchModel(context, None, import_code(context))
        path = _find_file(context)
        _kind(context, path)
        return PytorchModel(context, path, None)


class PytorchModel:
    """One loaded version. Instances have weights of their own, unless the model shares them."""

    def __init__(self, context: ModelContext, path: Path | None, code: ModelModule | None) -> None:
        """Raises InvalidArgError for settings. One of `path` and `code` is given."""
        self._context = context
        self._path = path
        self._code = code
        self._settings = read_settings(context)
        self._shared: dict[torch.device | None, Program] = {}

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> PytorchInstance:
        """Raises ServerError with PyTorch's words when the model cannot be loaded there."""
        device = device_of(spec)
        with _own_words(self._context), _reading:
            program = self._shared.get(device) or self._load(device)
            if self._settings.weight_sharing:
                self._shared[device] = program
            return PytorchInstance(self._context, plan, program, device, self._settings)

    def unload(self) -> None:
        """Weights go with the last instance."""
        self._shared.clear()
        if self._code is not None:
            self._code.close()
            self._code = None

    def _load(self, device: torch.device | None) -> Program:
        if self._code is not None:
            return ModuleProgram(self._context, self._code, device)
        if self._path is None:
            raise UnavailableError(f"model '{self._context.name}' has been unloaded")
        program = _program_type(_kind(self._context, self._path))
        return program(self._context, self._path, device)


def device_of(spec: InstanceSpec) -> torch.device | None:
    """None: where the model says. Raises UnsupportedError with what was found (C-13)."""
    if spec.kind == "MODEL":
        return None
    if spec.kind != "GPU":
        return torch.device("cpu")
    if not torch.cuda.is_available() or spec.device_id >= torch.cuda.device_count():
        raise UnsupportedError(
            f"instance '{spec.name}' has kind KIND_GPU and device {spec.device_id}, which PyTorch "
            f"cannot use: {device_words()}"
        )
    return torch.device("cuda", spec.device_id)


def _is_code(context: ModelContext) -> bool:
    """Whether the model is an nn.Module in Python."""
    names = (context.config.runtime, context.config.default_model_filename)
    return CODE_FILENAME in names


def _find_file(context: ModelContext) -> Path:
    path = context.model_path(_DEFAULT_FILENAMES.get(context.config.platform, "model.pt"))
    if not path.is_file():
        raise UnavailableError(
            f"unable to find '{context.shown_path(path)}' for model '{context.name}'"
        )
    return path


def _kind(context: ModelContext, path: Path) -> Kind:
    kind = kind_of(path)
    if kind not in _LOADABLE:
        raise refuse(context, path, kind, _EXPECTED)
    return kind


def _program_type(kind: Kind) -> ProgramType:
    """torch.export takes as long to import as PyTorch: it waits for a model that needs it."""
    if kind is Kind.TORCHSCRIPT:
        return TorchScriptProgram
    if kind is Kind.EXPORTED:
        from .exported import ExportedProgram

        return ExportedProgram
    from .aoti import AotiProgram

    return AotiProgram


def _require_tensors(context: ModelContext, known: str) -> None:
    config = context.config
    for kind, tensors in (("inputs", config.input), ("outputs", config.output)):
        if not tensors or not all(tensor.data_type and tensor.dims for tensor in tensors):
            raise InvalidArgError(
                f"model '{context.name}': the model file does not say the types and shapes of its "
                f"tensors, {kind} must be written in the configuration ({known})"
            )


@contextmanager
def _own_words(context: ModelContext) -> Iterator[None]:
    """What a framework or a model's code raises fails the load, in its own words."""
    try:
        yield
    except ServerError:
        raise
    except BaseException as error:  # code of the model may raise anything, also SystemExit
        raise load_failure(context, error) from None
