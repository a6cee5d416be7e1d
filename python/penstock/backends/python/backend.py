# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Loads Python models: `TritonPythonModel` of `model.py`, one object an instance (contract 5.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format

from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.backends.model_code import ModelModule
from penstock.config.rendering import config_to_json
from penstock.errors import InternalError, InvalidArgError, ServerError, UnsupportedError
from penstock.garbage import collect_all

from .code import ModelCode, backend_code, version_code
from .decoupled import DecoupledInstance
from .failure import failure_text
from .instance import PythonInstance
from .loader import import_model
from .pb_utils import ModelConfig as CompletedConfig
from .pb_utils.calls import Caller

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

CLASS_NAME: Final = "TritonPythonModel"
#: Parameter of a configuration: whether inputs are always in the host's memory.
CPU_ONLY: Final = "FORCE_CPU_ONLY_INPUT_TENSORS"
#: An execution environment of a Python-based back end, in its folder (contract 3.4).
ENVIRONMENT_FILENAME: Final = "pb_exec_env_model.py.tar.gz"


class PythonBackend:
    """In process: instances are threads that take turns with the GIL."""

    def __init__(self, directory: Path | None = None) -> None:
        """`directory`: that of a Python-based back end, whose `model.py` serves all its models
        (contract 3.4); without it each version has its own."""
        self._directory = directory

    def worker_environment(self) -> Path | None:
        """The archive beside a Python-based back end's `model.py`, if there is one."""
        path = self._directory / ENVIRONMENT_FILENAME if self._directory else None
        return path if path is not None and path.is_file() else None

    def auto_complete(self, context: ModelContext) -> None:
        """Lets the model's `auto_complete_config`, if there is one, complete the configuration.

        Raises InternalError with what it raised, InvalidArgError for what it returned.
        """
        code = self._code(context)
        module = _import(context, code)
        try:
            complete = getattr(_model_class(module, code), "auto_complete_config", None)
            if complete is not None:
                _complete(context, code, complete)
        finally:
            module.close()

    def prefers_gpus(self) -> bool:
        """As in Triton: `initialize` is told of a GPU where there is one (C-10)."""
        return True

    def answers_as_given(self) -> bool:
        """As in Triton, whose own examples have outputs of other types than they say."""
        return True

    def load(self, context: ModelContext) -> PythonModel:
        """Imports the file. Raises InvalidArgError when there is none, InternalError with what
        it raised, UnsupportedError for a parameter that Triton would not take."""
        _check_parameters(context)
        return PythonModel(context, self._code(context))

    def _code(self, context: ModelContext) -> ModelCode:
        return backend_code(context, self._directory) if self._directory else version_code(context)


class PythonModel:
    """One loaded version; its instances share the module and what it holds at module level."""

    def __init__(self, context: ModelContext, code: ModelCode) -> None:
        self._context = context
        self._code = code
        self._module = _import(context, code)
        try:
            self._class = _model_class(self._module, code)
        except ServerError:
            self._module.close()
            raise
        self._config_json = json.dumps(config_to_json(context.config))

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> PythonInstance:
        """Makes an instance on the calling thread. Raises InternalError if `initialize` fails."""
        context = self._context
        args = {
            "model_config": self._config_json,
            "model_instance_kind": spec.kind,
            "model_instance_name": spec.name,
            "model_instance_device_id": str(spec.device_id),
            "model_repository": str(context.model_dir),
            "model_version": str(context.version),
            "model_name": context.name,
        }
        decoupled = context.config.model_transaction_policy.decoupled
        make = DecoupledInstance if decoupled else PythonInstance
        caller = Caller(plan, decoupled=decoupled)
        return make(self._class, spec.name, self._code.roots, args, caller)

    def unload(self) -> None:
        """Forget the module. A module's functions and globals refer to each other: collect them."""
        self._class = None
        self._module.close()
        del self._module
        collect_all()


def _check_parameters(context: ModelContext) -> None:
    """Contract 5.1. Inputs are in the host's memory either way: a model copies what it wants."""
    parameters = context.config.parameters
    if CPU_ONLY in parameters and parameters[CPU_ONLY].string_value not in ("yes", "no"):
        raise UnsupportedError(
            f"Incorrect value for {CPU_ONLY}: {parameters[CPU_ONLY].string_value}: it is 'yes' or "
            f"'no'"
        )


def _import(context: ModelContext, code: ModelCode) -> ModelModule:
    name, version, version_dir = context.name, context.version, context.version_dir
    try:
        return import_model(code.file, name, version, *code.modules, version_dir=version_dir)
    except BaseException as error:  # the file may raise anything, also SystemExit
        raise InternalError(
            f"failed to load Python model '{context.name}' version {context.version}: "
            f"{failure_text(error, *code.roots)}"
        ) from None


def _model_class(module: ModelModule, code: ModelCode) -> Any:
    model_class = getattr(module.module, CLASS_NAME, None)
    if not isinstance(model_class, type):
        raise InvalidArgError(
            f"Python model file '{code.shown}' does not define class '{CLASS_NAME}'"
        )
    return model_class


def _complete(context: ModelContext, code: ModelCode, complete: Any) -> None:
    before = CompletedConfig(json.dumps(config_to_json(context.config)))
    try:
        after = complete(before)
    except BaseException as error:  # the model's own code
        raise InternalError(
            f"auto_complete_config of Python model '{context.name}' failed: "
            f"{failure_text(error, *code.roots)}"
        ) from None
    if not isinstance(after, CompletedConfig):
        raise InvalidArgError(
            f"auto_complete_config function in model '{context.name}' must return a valid "
            f"pb.ModelConfig object."
        )
    config = type(context.config)()
    try:
        json_format.ParseDict(after.as_dict(), config)
    except json_format.ParseError as error:
        raise InvalidArgError(
            f"auto_complete_config function in model '{context.name}' returned an invalid "
            f"configuration: {error}"
        ) from None
    context.config.CopyFrom(config)
