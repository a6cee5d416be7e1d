# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Loads Python models: `TritonPythonModel` of `model.py`, one object an instance (contract 5.1)."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format

from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.backends.model_code import ModelModule
from penstock.config.rendering import config_to_json
from penstock.errors import InternalError, InvalidArgError, ServerError

from .decoupled import DecoupledInstance
from .failure import failure_text
from .instance import PythonInstance
from .loader import import_model
from .pb_utils import ModelConfig as CompletedConfig
from .pb_utils.calls import Caller

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

DEFAULT_FILENAME: Final = "model.py"
CLASS_NAME: Final = "TritonPythonModel"


class PythonBackend:
    """In process: instances are threads that take turns with the GIL."""

    def auto_complete(self, context: ModelContext) -> None:
        """Lets the model's `auto_complete_config`, if there is one, complete the configuration.

        Raises InternalError with what it raised, InvalidArgError for what it returned.
        """
        module = _import(context)
        try:
            complete = getattr(_model_class(context, module), "auto_complete_config", None)
            if complete is not None:
                _complete(context, complete)
        finally:
            module.close()

    def prefers_gpus(self) -> bool:
        """As in Triton: `initialize` is told of a GPU where there is one (C-10)."""
        return True

    def load(self, context: ModelContext) -> PythonModel:
        """Imports the file. Raises InvalidArgError when there is none, InternalError with what
        it raised."""
        return PythonModel(context)


class PythonModel:
    """One loaded version; its instances share the module and what it holds at module level."""

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._module = _import(context)
        try:
            self._class = _model_class(context, self._module)
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
        return make(self._class, spec.name, context.model_dir, args, caller)

    def unload(self) -> None:
        """Forget the module. A module's functions and globals refer to each other: collect them."""
        self._class = None
        self._module.close()
        del self._module
        gc.collect()


def _model_path(context: ModelContext) -> Path:
    """The file to import. Raises InvalidArgError when it is not there, or must not be imported."""
    path = context.model_path(DEFAULT_FILENAME)
    if path.suffix != ".py":
        raise InvalidArgError(
            f"invalid default_model_filename '{path.name}' of Python model '{context.name}': it "
            f"must end with '.py'"
        )
    if not path.is_file():
        raise InvalidArgError(f"Python model file not found in '{path}'")
    return path


def _import(context: ModelContext) -> ModelModule:
    path = _model_path(context)
    try:
        return import_model(path, context.name, context.version)
    except BaseException as error:  # the file may raise anything, also SystemExit
        raise InternalError(
            f"failed to load Python model '{context.name}' version {context.version}: "
            f"{failure_text(error, context.model_dir)}"
        ) from None


def _model_class(context: ModelContext, module: ModelModule) -> Any:
    model_class = getattr(module.module, CLASS_NAME, None)
    if not isinstance(model_class, type):
        path = context.shown_path(_model_path(context))
        raise InvalidArgError(f"Python model file '{path}' does not define class '{CLASS_NAME}'")
    return model_class


def _complete(context: ModelContext, complete: Any) -> None:
    before = CompletedConfig(json.dumps(config_to_json(context.config)))
    try:
        after = complete(before)
    except BaseException as error:  # the model's own code
        raise InternalError(
            f"auto_complete_config of Python model '{context.name}' failed: "
            f"{failure_text(error, context.model_dir)}"
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
