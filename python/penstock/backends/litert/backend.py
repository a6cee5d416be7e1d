# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `litert`: TensorFlow Lite files through LiteRT, on the CPU (contract 3.2, 5.4).

Parameters: `SIGNATURE`, for a file with several; `NUM_THREADS` of one instance. LiteRT is
imported when a model first needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.backends.framework import (
    FrameworkInstance,
    Output,
    complete,
    count_parameter,
    is_complete,
    load_failure,
    match,
    text_parameter,
    thread_share,
)
from penstock.backends.framework.availability import (
    not_installed,
    refuse_accelerators,
    refuse_gpu,
)
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import ServerError, UnavailableError

if TYPE_CHECKING:
    from penstock._engine import ModelPlan

    from .interpreter import LiteRtModel

DEFAULT_FILENAME: Final = "model.tflite"


class LiteRtBackend:
    """Holds nothing: each instance has an interpreter of its own."""

    def auto_complete(self, context: ModelContext) -> None:
        """Fills inputs, outputs and batching from the model (3.2), unless all is said.

        Raises ServerError with LiteRT's words, InvalidArgError where configuration and model
        disagree.
        """
        if not is_complete(context):
            model = _interpret(context, _read(context), threads=1)
            complete(context, model.inputs, model.outputs)

    def load(self, context: ModelContext) -> LoadedLiteRtModel:
        """Reads the file and looks whether it fits. Raises as `auto_complete` does."""
        return LoadedLiteRtModel(context)


class LoadedLiteRtModel:
    """One loaded version: the bytes that its interpreters share.

    They are read, not mapped: a file that is cut short later would end the server.
    """

    def __init__(self, context: ModelContext) -> None:
        refuse_accelerators(LiteRtInstance.framework, context)
        self._context = context
        self._content = _read(context)
        self._threads = min(
            count_parameter(context, "NUM_THREADS") or thread_share(context),
            max(1, context.cpu_share),
        )
        model = _interpret(context, self._content, self._threads)
        self._scalars = match(context, model.inputs, model.outputs)

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> LiteRtInstance:
        """Raises UnsupportedError for a GPU."""
        refuse_gpu(LiteRtInstance.framework, spec)
        if not self._content:
            raise UnavailableError(f"model of instance '{spec.name}' has been unloaded")
        model = _interpret(self._context, self._content, self._threads)
        return LiteRtInstance(self._context, plan, self._scalars, model)

    def unload(self) -> None:
        """The bytes go with the last interpreter."""
        self._content = b""


class LiteRtInstance(FrameworkInstance):
    """Quantised tensors are their integers: scale and zero point are the client's to know."""

    framework: ClassVar[str] = "LiteRT"

    def __init__(
        self, context: ModelContext, plan: ModelPlan, scalars: frozenset[str], model: LiteRtModel
    ) -> None:
        super().__init__(context, plan, scalars=scalars)
        self._model = model

    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        """The interpreter is resized where the shapes are not those of the call before."""
        return self._model.run(inputs, wanted)

    def finalize(self) -> None:
        """Frees the interpreter on the thread that used it."""
        del self._model


def _read(context: ModelContext) -> bytes:
    path = context.model_path(DEFAULT_FILENAME)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnavailableError(
            f"unable to read '{context.shown_path(path)}' for model '{context.name}': "
            f"{error.strerror}"
        ) from None
    if not content:
        raise load_failure(context, f"'{context.shown_path(path)}' is empty")
    return content


def _interpret(context: ModelContext, content: bytes, threads: int) -> LiteRtModel:
    try:
        from .interpreter import LiteRtModel
    except ImportError as error:
        raise not_installed(LiteRtInstance.framework, "litert", error) from error
    try:
        return LiteRtModel(context, content, text_parameter(context, "SIGNATURE"), threads)
    except ServerError:
        raise
    except Exception as error:  # LiteRT raises RuntimeError and ValueError
        raise load_failure(context, error) from None
