# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is unloaded goes in the order in which it depends on each other (R-24)."""

from __future__ import annotations

import threading
from typing import Any, cast

from penstock.models.drains import Drains
from penstock.models.identity import ModelId
from penstock.models.loader import Loader
from penstock.models.state import ModelRecord, VersionRecord


class HeldLoader:
    """Unloads when it is told to; handles are names."""

    def __init__(self, *held: str) -> None:
        self.may_go = {name: threading.Event() for name in held}
        self.unloaded: list[str] = []

    def unload_version(self, handle: Any) -> None:
        if handle in self.may_go:
            assert self.may_go[handle].wait(10)
        self.unloaded.append(handle)


def served(name: str, *parts: str) -> tuple[ModelRecord, VersionRecord]:
    record = ModelRecord(ModelId(name), composing=tuple(map(ModelId, parts)))
    version = VersionRecord(1)
    version.handle = cast(Any, name)
    return record, version


def test_a_model_outlives_the_ensembles_it_is_a_part_of() -> None:
    loader = HeldLoader("ensemble")
    drains = Drains(cast(Loader, loader), threading.Lock(), lambda: None)
    ensemble, part, other = served("ensemble", "part"), served("part"), served("other")
    for record, version in (ensemble, part, other):
        drains.begin(record, [version])
    other[0].draining[0].result(10)
    assert loader.unloaded == ["other"]
    loader.may_go["ensemble"].set()
    drains.close()
    assert loader.unloaded == ["other", "ensemble", "part"]
