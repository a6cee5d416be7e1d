# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `jax`: programs that `jax.export` wrote, on the CPU (contract 3.2).

JAX is imported when a model first needs it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from penstock.backends.framework import (
    FrameworkInstance,
    Output,
    complete,
    is_complete,
    load_failure,
    match,
    own_words,
)
from penstock.backends.framework.availability import (
    not_installed,
    refuse_accelerators,
    refuse_gpu,
)
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import ServerError, UnavailableError
from penstock.types import DataType

if TYPE_CHECKING:
    from penstock._engine import ModelPlan, Tensor

    from .program import JaxProgram

_log = logging.getLogger(__name__)

DEFAULT_FILENAME: Final = "model.jaxexport"


class JaxBackend:
    """Holds nothing: JAX's own client is there once a process."""

    def auto_complete(self, context: ModelContext) -> None:
        """Fills inputs, outputs and batching from the program (3.2), unless all is said.

        A first dimension that is symbolic is the batch's. Raises ServerError with JAX's words,
        InvalidArgError where the configuration and the program disagree.
        """
        if not is_complete(context):
            program = _read(context)
            complete(context, program.inputs, program.outputs)

    def load(self, context: ModelContext) -> LoadedJaxModel:
        """Reads the program and compiles it. Raises as `auto_complete` does."""
        return LoadedJaxModel(context)


class LoadedJaxModel:
    """One loaded version; its instances share the program and what is compiled of it."""

    def __init__(self, context: ModelContext) -> None:
        refuse_accelerators(JaxInstance.framework, context)
        self._context = context
        program = _read(context)
        self._scalars = match(context, program.inputs, program.outputs)
        self._compile(program)
        self._program: JaxProgram | None = program

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> JaxInstance:
        """Raises UnsupportedError for a GPU."""
        refuse_gpu(JaxInstance.framework, spec)
        if self._program is None:
            raise UnavailableError(f"model of instance '{spec.name}' has been unloaded")
        return JaxInstance(self._context, plan, self._scalars, self._program)

    def unload(self) -> None:
        """After the instances have dropped the program."""
        program, self._program = self._program, None
        if program is not None:
            forget = program.forget
            del program
            forget()

    def _compile(self, program: JaxProgram) -> None:
        """A program of fixed shapes must compile; another one may not take the shapes tried."""
        try:
            program.compile_smallest()
        except Exception as error:
            dims = [dim for signature in program.inputs for dim in signature.dims or ()]
            if -1 not in dims:
                raise load_failure(self._context, error) from None
            words = own_words(error, self._context)
            _log.info("model '%s' is compiled when it is called: %s", self._context.name, words)


class JaxInstance(FrameworkInstance):
    """Inputs that begin at a multiple of 64 bytes and all outputs are not copied."""

    framework: ClassVar[str] = "JAX"

    def __init__(
        self, context: ModelContext, plan: ModelPlan, scalars: frozenset[str], program: JaxProgram
    ) -> None:
        super().__init__(context, plan, scalars=scalars)
        self._program = program

    def present(self, tensor: Tensor) -> Any:
        """BF16 has a numpy type of JAX's."""
        value = super().present(tensor)
        return self._program.as_bfloat16(value) if tensor.data_type == DataType.BF16 else value

    def run(self, inputs: dict[str, Any], wanted: Sequence[str]) -> Mapping[str, Output]:
        """All outputs: a program cannot be run in part."""
        return self._program.run(inputs)

    def finalize(self) -> None:
        """Drops the program."""
        del self._program


def _read(context: ModelContext) -> JaxProgram:
    path = context.model_path(DEFAULT_FILENAME)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnavailableError(
            f"unable to read '{context.shown_path(path)}' for model '{context.name}': "
            f"{error.strerror}"
        ) from None
    try:
        from .program import JaxProgram
    except ImportError as error:
        raise not_installed(JaxInstance.framework, "jax", error) from error
    try:
        return JaxProgram(content)
    except ServerError as error:
        raise type(error)(f"unable to load model '{context.name}', {error.message}") from None
    except Exception as error:  # whatever JAX makes of bytes that are no program
        words = f"'{path.name}' is not what jax.export writes: {own_words(error, context)}"
        raise load_failure(context, words) from None
