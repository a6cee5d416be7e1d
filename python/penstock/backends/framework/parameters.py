# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reads `parameters` of a model's configuration, and the threads that a model may use."""

from __future__ import annotations

from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError


def text_parameter(context: ModelContext, name: str, default: str = "") -> str:
    """The model's own setting, else the back end's (--backend-config), else the default."""
    parameters = context.config.parameters
    if name in parameters:
        return parameters[name].string_value
    return context.backend_config.get(name, default)


def count_parameter(context: ModelContext, name: str) -> int:
    """A number of threads or the like; 0 where nobody says one. Raises InvalidArgError."""
    text = text_parameter(context, name, "0").strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidArgError(
            f"parameter '{name}' of model '{context.name}' must be a count, got '{text}'"
        )
    return int(text)


def switch_parameter(context: ModelContext, name: str, default: bool) -> bool:
    """true, false, 1 or 0, in any case. Raises InvalidArgError."""
    text = text_parameter(context, name, str(default)).strip().lower()
    if text not in ("true", "false", "1", "0"):
        raise InvalidArgError(
            f"parameter '{name}' of model '{context.name}' must be true or false, got '{text}'"
        )
    return text in ("true", "1")


def thread_share(context: ModelContext) -> int:
    """Threads for one instance, so that all instances together fit the model's share of cores."""
    instances = sum(max(1, group.count) for group in context.config.instance_group)
    return max(1, context.cpu_share // max(1, instances))
