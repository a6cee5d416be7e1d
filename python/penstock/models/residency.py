# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which models make room for another one (--model-memory-budget): a pure function."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from penstock.models.identity import ModelId


@dataclass(frozen=True)
class Resident:
    """A model that is loaded."""

    model: ModelId
    size_bytes: int
    #: when its last request was answered, or it was loaded; any clock, the same for all
    used_at: float
    #: it has requests, or was loaded by name
    stays: bool = False
    #: the models that it is made of: they stay while it does
    needs: Collection[ModelId] = ()


def choose_evictions(
    residents: Sequence[Resident], room_bytes: int, *, keep: Collection[ModelId] = ()
) -> list[ModelId] | None:
    """Those to unload, in this order, so that the rest takes no more than `room_bytes`.

    The least recently used go first, ensembles before what they are made of. None: those that stay,
    and `keep`, take more than that; nothing is worth unloading then.
    """
    left = list(residents)
    gone: list[ModelId] = []
    while sum(one.size_bytes for one in left) > room_bytes:
        needed = {model for one in left for model in one.needs}
        free = [
            one
            for one in left
            if not one.stays and one.model not in needed and one.model not in keep
        ]
        if not free:
            return None
        oldest = min(free, key=lambda one: (one.used_at, one.model))
        left.remove(oldest)
        gone.append(oldest.model)
    return gone
