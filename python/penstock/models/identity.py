# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What tells one model from another, and which names may stand for a model (R-4, R-33)."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import InvalidArgError


@dataclass(frozen=True, order=True)
class ModelId:
    """A model: its name, and with --model-namespacing the repository that it is in."""

    name: str
    namespace: str = ""

    @property
    def key(self) -> str:
        """What the engine knows it by; without namespaces that is its name."""
        return f"{self.namespace}::{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        return self.key


def is_model_name(name: str) -> bool:
    """Whether the name stands for one folder of a repository and nothing else (R-33)."""
    return bool(name.strip()) and name not in {".", ".."} and not set(name) & {"/", "\0"}


def check_model_name(name: str) -> None:
    """R-33. Raises InvalidArgError."""
    if not name.strip():
        raise InvalidArgError("Model name cannot be empty. Please enter a valid name to deploy.")
    if not is_model_name(name):
        raise InvalidArgError(
            f"invalid model name '{name}', model name must not contain path traversal characters"
        )


def ambiguous(name: str, count: int) -> InvalidArgError:
    """The error of a bare name that stands for several models (R-4)."""
    return InvalidArgError(
        f"There are {count} identifiers of model '{name}' in global map, model namespace must be "
        "provided to resolve ambiguity."
    )
