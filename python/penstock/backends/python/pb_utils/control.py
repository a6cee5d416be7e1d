# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Model control from inside a model: load, unload, ready (contract 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from penstock.errors import ServerError

from .calls import ending
from .errors import TritonModelException
from .text import Text, text_of


class ModelControl(Protocol):
    """What the server lets models do. Each method blocks and raises ServerError."""

    def load_model(self, name: str, config: str, files: Mapping[str, bytes]) -> None:
        """Load a model; `config` is JSON or "", `files` are `file:<path>` overrides."""

    def unload_model(self, name: str, unload_dependents: bool) -> None:
        """Unload a model."""

    def is_model_ready(self, name: str, version: str) -> bool:
        """Whether a model (version "": any) answers requests."""


_control: ModelControl | None = None


def set_model_control(control: ModelControl | None) -> None:
    """Called by the server at start, and with None at its end."""
    global _control
    _control = control


def model_control() -> ModelControl | None:
    """What set_model_control() was given."""
    return _control


def _server() -> ModelControl:
    if ending():
        raise TritonModelException("models cannot be controlled in the 'finalize' function")
    if _control is None:
        raise TritonModelException("model control is not available: no server is running")
    return _control


def _name(model_name: Text) -> str:
    return text_of(model_name, "model_name")


def load_model(
    model_name: Text, config: Text = "", files: Mapping[str, bytes] | None = None
) -> None:
    """Load a model. Raises TritonModelException with the server's reason."""
    try:
        _server().load_model(_name(model_name), text_of(config, "config"), files or {})
    except ServerError as error:
        raise TritonModelException(f"Failed to load model: {error.message}") from None


def unload_model(model_name: Text, unload_dependents: bool = False) -> None:
    """Unload a model. Raises TritonModelException with the server's reason."""
    try:
        _server().unload_model(_name(model_name), unload_dependents)
    except ServerError as error:
        raise TritonModelException(f"Failed to unload model: {error.message}") from None


def is_model_ready(model_name: Text, model_version: Text = "") -> bool:
    """Whether a model answers requests; False for one that is not there.

    Raises TritonModelException for what is no version.
    """
    try:
        version = text_of(model_version, "model_version")
        return _server().is_model_ready(_name(model_name), version)
    except ServerError as error:
        raise TritonModelException(f"Failed to check model readiness: {error.message}") from None
