# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One place that models come from: the small interface that folders and object stores share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from penstock.config.model_config import ParsedConfig
from penstock.models.files import ModelFiles
from penstock.models.tree import Tree

#: Told of a fetch that goes on: bytes that are here, bytes in all.
OnProgress = Callable[[int, int], None]


class Source(Protocol):
    """One repository. Thread safe; everything may block. Failures are ServerErrors with a reason
    that names the place; nothing is kept of a call that failed."""

    @property
    def location(self) -> str:
        """As it was given, without credentials: the namespace of its models (R-4)."""

    def names(self, *, fresh: bool = True) -> frozenset[str]:
        """The models that are there now. Raises UnavailableError when it cannot be listed.

        `fresh=False`: what is known from a moment ago will do; raises nothing.
        """

    def has(self, name: str) -> bool:
        """Whether there is such a model. Raises UnavailableError."""

    def look(self, name: str) -> Tree:
        """Its files as they are now. Raises UnavailableError."""

    def read_config(self, name: str, config_name: str) -> ParsedConfig | None:
        """The configuration that applies (R-3), None without one. Raises ServerError."""

    def open(self, name: str, progress: OnProgress) -> ModelFiles:
        """Its files in a folder that has the model's name; the caller releases them.

        Raises ServerError.
        """
