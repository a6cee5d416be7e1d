# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Session options of an ONNX model: what its configuration and the server's settings say (5.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError

#: `parameters` that are handed on as they are; the core checks their values.
_PARAMETERS: Final = (
    "execution_mode",
    "enable_mem_arena",
    "enable_mem_pattern",
    "memory.enable_memory_arena_shrinkage",
    "session.use_device_allocator_for_initializers",
)
_PARALLEL: Final = "1"

Options = dict[str, str | int]


def inspection_options() -> Options:
    """For a session that is only asked for its inputs and outputs: no optimisation, one thread."""
    return {
        "optimization.graph.level": 2,
        "intra_op_thread_count": 1,
        "inter_op_thread_count": 1,
    }


def session_options(context: ModelContext) -> Options:
    """By the names of `parameters`; raises InvalidArgError for values that are not allowed."""
    config = context.config
    options: Options = {
        name: config.parameters[name].string_value
        for name in _PARAMETERS
        if name in config.parameters
    }
    if config.optimization.HasField("graph"):
        options["optimization.graph.level"] = config.optimization.graph.level
    options |= _thread_options(context, parallel=options.get("execution_mode") == _PARALLEL)
    libraries = config.model_operations.op_library_filename
    if len(libraries) > 1:
        raise InvalidArgError(
            f"model '{context.name}' has {len(libraries)} custom operation libraries, one is "
            f"supported"
        )
    if libraries:
        options["op_library_filename"] = str(_inside_model(context, libraries[0]))
    return options


def _thread_options(context: ModelContext, *, parallel: bool) -> Options:
    """No model keeps more threads than its share of the machine has cores."""
    instances = max(1, sum(max(1, group.count) for group in context.config.instance_group))
    share = max(1, context.cpu_share)
    each = max(1, share // instances)
    return {
        "intra_op_thread_count": min(_threads(context, "intra_op_thread_count", each), share),
        "inter_op_thread_count": min(
            _threads(context, "inter_op_thread_count", each if parallel else 1), share
        ),
    }


def _threads(context: ModelContext, name: str, default: int) -> int:
    """The model's own setting, else the back end's, else the default; 0 is the default, too."""
    parameters = context.config.parameters
    if name in parameters:
        text = parameters[name].string_value
    else:
        text = context.backend_config.get(name, "0")
    if not text.isdecimal():
        raise InvalidArgError(
            f"parameter '{name}' of model '{context.name}' must be a count of threads, got '{text}'"
        )
    return int(text) or default


def _inside_model(context: ModelContext, filename: str) -> Path:
    """A library is code: it must come with the model."""
    path = (context.model_dir / filename).resolve()
    if not path.is_relative_to(context.model_dir.resolve()):
        raise InvalidArgError(
            f"op_library_filename '{filename}' of model '{context.name}' leads out of the model's "
            f"directory"
        )
    return path
