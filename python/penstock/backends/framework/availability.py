# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a back end cannot do here, said by name with the cure."""

from __future__ import annotations

from collections.abc import Collection

from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import InvalidArgError, UnsupportedError


def not_installed(framework: str, extra: str, error: ImportError) -> UnsupportedError:
    """The error for a framework whose import failed; `extra` is the one that installs it."""
    state = "is not installed"
    if not isinstance(error, ModuleNotFoundError):
        state = f"cannot be imported ({error})"
    return UnsupportedError(
        f"this model needs {framework}, which {state}: pip install 'penstock[{extra}]'"
    )


def refuse_gpu(framework: str, spec: InstanceSpec) -> None:
    """Raises UnsupportedError for an instance on a GPU (contract C-13)."""
    if spec.kind == "GPU":
        raise UnsupportedError(
            f"instance '{spec.name}' has kind KIND_GPU, {framework} runs on the CPU here"
        )


def refuse_accelerators(framework: str, context: ModelContext, known: Collection[str] = ()) -> None:
    """Raises for an execution accelerator: it is never silently left out (contract 5.2, 5.4).

    `known`: those that the framework has elsewhere, which makes the error UnsupportedError;
    InvalidArgError for others.
    """
    accelerators = context.config.optimization.execution_accelerators
    for accelerator in (
        *accelerators.gpu_execution_accelerator,
        *accelerators.cpu_execution_accelerator,
    ):
        if accelerator.name in known:
            raise UnsupportedError(
                f"Execution Accelerator '{accelerator.name}' of model '{context.name}' is not "
                f"available: {framework} runs on the CPU here"
            )
        raise InvalidArgError(
            f"unknown Execution Accelerator '{accelerator.name}' is requested for model "
            f"'{context.name}'"
        )
