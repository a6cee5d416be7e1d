# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `identity`: every INPUTn comes back as OUTPUTn, without a copy (contract 5.4).

Parameters: `execute_delay_ms`, how long a batch takes; `creation_delay_sec`, how long a load takes.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from penstock import _engine
from penstock.backends.interface import InstanceSpec, ModelContext
from penstock.errors import InvalidArgError

if TYPE_CHECKING:
    from penstock._engine import ModelPlan, NativeInstance

_MAX_DELAY_S: Final = 3600.0


class IdentityBackend:
    """Completes nothing: the configuration says what the tensors are."""

    def auto_complete(self, context: ModelContext) -> None:
        """Nothing to do."""

    def takes_device_tensors(self, context: ModelContext) -> bool:
        """They go out as they came in, wherever they are."""
        return True

    def load(self, context: ModelContext) -> IdentityModel:
        """Raises InvalidArgError for a delay that is not a number in [0, 1 h]."""
        execute_delay_s = _delay_s(context, "execute_delay_ms", 1e-3)
        creation_delay_s = _delay_s(context, "creation_delay_sec", 1.0)
        if creation_delay_s > 0:
            time.sleep(creation_delay_s)  # what the parameter is for: a model that loads slowly
        return IdentityModel(execute_delay_s * 1e3)


class IdentityModel:
    """One loaded version: nothing but its delay."""

    def __init__(self, execute_delay_ms: float) -> None:
        self._execute_delay_ms = execute_delay_ms

    def create_instance(self, spec: InstanceSpec, plan: ModelPlan) -> NativeInstance:
        """Runs in the core. Raises InvalidArgError when outputs and inputs do not pair up."""
        _engine.check_identity_plan(plan)
        return _engine.make_identity_instance(execute_delay_ms=self._execute_delay_ms)

    def unload(self) -> None:
        """Nothing is held."""


def _delay_s(context: ModelContext, name: str, unit_s: float) -> float:
    if name not in context.config.parameters:
        return 0.0
    text = context.config.parameters[name].string_value
    try:
        delay_s = float(text) * unit_s
    except ValueError:
        delay_s = math.nan
    if not 0.0 <= delay_s <= _MAX_DELAY_S:
        raise InvalidArgError(
            f"parameter '{name}' of model '{context.name}' must be a number from 0 to "
            f"{_MAX_DELAY_S / unit_s:.0f}, got '{text}'"
        )
    return delay_s
