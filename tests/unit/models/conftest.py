# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Every life cycle of a test ends, and frees all that it loaded exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from penstock.models.lifecycle import Lifecycle
from puppet import PuppetLoader, start


@pytest.fixture
def loader() -> PuppetLoader:
    return PuppetLoader()


@pytest.fixture
def begin(tmp_path: Path, loader: PuppetLoader) -> Iterator[Callable[..., Lifecycle]]:
    """Makes life cycles over tmp_path (or `roots`), and closes them."""
    made: list[Lifecycle] = []

    def make(mode: str = "explicit", **options: object) -> Lifecycle:
        roots = options.pop("roots", tmp_path)
        made.append(start(roots, loader, mode, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for lifecycle in made:
        lifecycle.close()
    assert sorted(loader.unloaded, key=id) == sorted(loader.loaded, key=id)
    assert not loader.published
