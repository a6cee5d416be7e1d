# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The parameters of a PyTorch model (contract 5.3).

Some are of the whole process: the first model that sets one decides, and a model that wants
something else is refused, but for the pool between operations, where it is only told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import torch

from penstock.backends.framework import count_parameter, switch_parameter, thread_share
from penstock.backends.interface import ModelContext
from penstock.errors import UnsupportedError

_log = logging.getLogger(__name__)


class Settings(NamedTuple):
    """What one model's configuration says."""

    inference_mode: bool
    optimized_execution: bool
    weight_sharing: bool
    cache_cleaning: bool
    threads: int


def read_settings(context: ModelContext) -> Settings:
    """Raises InvalidArgError for values that are none."""
    asked = count_parameter(context, "INTRA_OP_THREAD_COUNT") or count_parameter(
        context, "NUM_THREADS"
    )
    return Settings(
        inference_mode=switch_parameter(context, "INFERENCE_MODE", True),
        optimized_execution=not switch_parameter(context, "DISABLE_OPTIMIZED_EXECUTION", False),
        weight_sharing=switch_parameter(context, "ENABLE_WEIGHT_SHARING", False),
        cache_cleaning=switch_parameter(context, "ENABLE_CACHE_CLEANING", False),
        threads=min(asked or thread_share(context), max(1, context.cpu_share)),
    )


def _disable_cudnn(disable: bool) -> None:
    torch.backends.cudnn.enabled = not disable


_SWITCHES: Final[dict[str, Callable[[bool], Any]]] = {
    "DISABLE_CUDNN": _disable_cudnn,
    "ENABLE_JIT_EXECUTOR": torch._C._jit_set_profiling_executor,
    "ENABLE_JIT_PROFILING": torch._C._jit_set_profiling_mode,
    "ENABLE_TENSOR_FUSER": torch._C._jit_set_texpr_fuser_enabled,
}


class ProcessSettings:
    """The settings of the whole process. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[str, tuple[bool, str]] = {}
        self._inter_op_threads = 0

    def claim(self, context: ModelContext) -> None:
        """Raises UnsupportedError naming the parameter and the model that decided otherwise."""
        with self._lock:
            for name, apply in _SWITCHES.items():
                if name in context.config.parameters or name in context.backend_config:
                    self._claim_switch(context, name, apply)
            self._claim_threads(context)

    def _claim_switch(self, context: ModelContext, name: str, apply: Callable[[bool], Any]) -> None:
        value = switch_parameter(context, name, False)
        decided, model = self._set.setdefault(name, (value, context.name))
        if decided != value:
            raise UnsupportedError(
                f"parameter '{name}' of model '{context.name}' is {str(value).lower()}, but is of "
                f"the whole process and was set to {str(decided).lower()} by model '{model}'"
            )
        apply(value)

    def _claim_threads(self, context: ModelContext) -> None:
        """Once a process, and before the pool between operations is first used."""
        asked = count_parameter(context, "INTER_OP_THREAD_COUNT") or count_parameter(
            context, "NUM_INTEROP_THREADS"
        )
        count = min(asked, max(1, context.cpu_share))
        if count in (0, self._inter_op_threads):
            return
        try:
            torch.set_num_interop_threads(count)
            self._inter_op_threads = count
        except RuntimeError:
            _log.warning(
                "INTER_OP_THREAD_COUNT of model '%s' has no effect: the process has %d already",
                context.name,
                torch.get_num_interop_threads(),
            )
