# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The files that a model is loaded from: the repository's own, or a temporary copy.

A copy lives until the last version that came from it is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from penstock.models.tree import Tree


class ModelFiles:
    """Counted: made with one holder. Thread safe."""

    def __init__(
        self, model_dir: Path, tree: Tree | None, remove: Callable[[], None] = lambda: None
    ) -> None:
        """`tree`: what was seen of the repository; None: the files came with a load request.

        `remove`: deletes a temporary copy.
        """
        self.model_dir = model_dir
        self.tree = tree
        self._remove = remove
        self._holders = 1
        self._lock = threading.Lock()

    def hold(self) -> ModelFiles:
        """One holder more."""
        with self._lock:
            assert self._holders > 0
            self._holders += 1
        return self

    def release(self) -> None:
        """One holder less; the last one removes a copy."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self._remove()
