# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `openvino`: IR, ONNX and TensorFlow Lite files, on the CPU (contract 5.4, 3.2).

OpenVINO is imported when a model first needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.backends.framework import (
    FrameworkInstance,
    Output,
    complete,
    is_complete,
    load_failure,
    match,
)
from penstock.backends.framework.availability import not_installed, refuse_gpu
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import ServerError, UnavailableError

from .options import openvino_options

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

    from .network import CompiledNetwork, Network, NetworkCall

DEFAULT_FILENAME: Final = "model.xml"


class OpenVinoBackend:
    """Holds nothing: each model has a core of its own, with the extensions that it names."""

    def auto_complete(self, context: ModelContext) -> None:
        """Fills inputs, outputs and batching from the network (3.2), unless all is said.

        A configuration that gives the network its shapes must be complete itself. Raises
        ServerError with OpenVINO's words, InvalidArgError where they disagree.
        """
        if not is_complete(context) and not openvino_options(context).changes_shapes:
            network = _read(context)
            complete(context, network.inputs, network.outputs)

    def load(self, context: ModelContext) -> LoadedOpenVinoModel:
        """Reads and compiles the network. Raises as `auto_complete` does."""
        return LoadedOpenVinoModel(context)


class LoadedOpenVinoModel:
    """One loaded version: a compiled network that its instances share."""

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        network = _read(context)
        self._scalars = match(context, network.inputs, network.outputs)
        try:
            self._compiled: CompiledNetwork | None = network.compile()
        except Exception as error:  # OpenVINO raises RuntimeError and others
            raise load_failure(context, error) from None

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> OpenVinoInstance:
        """Raises UnsupportedError for a GPU."""
        refuse_gpu(OpenVinoInstance.framework, spec)
        if self._compiled is None:
            raise UnavailableError(f"model of instance '{spec.name}' has been unloaded")
        return OpenVinoInstance(self._context, plan, self._scalars, self._compiled.create_call())

    def unload(self) -> None:
        """The compiled network ends with its last instance."""
        self._compiled = None


class OpenVinoInstance(FrameworkInstance):
    """One inference request, used again and again."""

    framework: ClassVar[str] = "OpenVINO"

    def __init__(
        self, context: ModelContext, plan: ModelPlan, scalars: frozenset[str], call: NetworkCall
    ) -> None:
        super().__init__(context, plan, scalars=scalars)
        self._call = call

    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        """Computes all outputs, takes those that are wanted."""
        return self._call.run(inputs, wanted)

    def finalize(self) -> None:
        """Frees the request."""
        del self._call


def _read(context: ModelContext) -> Network:
    path = context.model_path(DEFAULT_FILENAME)
    if not path.is_file():
        raise UnavailableError(
            f"unable to find '{context.shown_path(path)}' for model '{context.name}'"
        )
    options = openvino_options(context)
    try:
        from .network import Network
    except ImportError as error:
        raise not_installed(OpenVinoInstance.framework, "openvino", error) from error
    try:
        return Network(context, path, options)
    except ServerError:
        raise
    except Exception as error:  # OpenVINO raises RuntimeError and others
        raise load_failure(context, error) from None
