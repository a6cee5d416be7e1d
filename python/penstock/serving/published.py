# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which loaded versions requests find, and by which names (R-4)."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from penstock._engine import Engine
from penstock.models.identity import ModelId, ambiguous
from penstock.serving.loaded_version import LoadedVersion


class Published:
    """The engine's table of models as Python sees it. Thread safe.

    A model in a namespace is found by its key, which ensembles use, and by its bare name as long as
    no other one has that.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._versions: dict[ModelId, tuple[LoadedVersion, ...]] = {}
        self._not_ready: dict[ModelId, Sequence[int]] = {}
        self._on_demand: set[ModelId] = set()

    def put(
        self,
        model: ModelId,
        ready: Sequence[LoadedVersion],
        not_ready: Sequence[int],
        *,
        on_demand: bool = False,
    ) -> None:
        """Requests find exactly these versions from now on, in one step for each name.

        `on_demand`: while none is ready, they wait for one.
        """
        versions = tuple(sorted(ready, key=lambda version: version.version))
        with self._lock:
            self._versions[model] = versions
            self._not_ready[model] = tuple(not_ready)
            (self._on_demand.add if on_demand else self._on_demand.discard)(model)
            self._publish(model.key, model)
            self._name(model)

    def remove(self, model: ModelId) -> None:
        """The model becomes one that was never known."""
        with self._lock:
            self._engine.forget(model.key)
            self._versions.pop(model, None)
            self._not_ready.pop(model, None)
            self._on_demand.discard(model)
            self._name(model)

    def find(self, name: str) -> tuple[LoadedVersion, ...]:
        """By bare name or key, ascending. Raises InvalidArgError where there are several."""
        with self._lock:
            if (versions := self._versions.get(ModelId(name))) is not None:
                return versions
            found = [model for model in self._versions if name in (model.name, model.key)]
            if len(found) > 1:
                raise ambiguous(name, len(found))
            return self._versions[found[0]] if found else ()

    def of_key(self, key: str) -> tuple[LoadedVersion, ...]:
        """By key, ascending; empty when there is none."""
        with self._lock:
            found = [model for model in self._versions if model.key == key]
            return self._versions[found[0]] if found else ()

    def all(self) -> list[LoadedVersion]:
        """All versions, by name and version."""
        with self._lock:
            return [one for model in sorted(self._versions) for one in self._versions[model]]

    def _publish(self, key: str, model: ModelId) -> None:
        models = [version.model for version in self._versions[model]]
        on_demand = model in self._on_demand
        self._engine.publish(key, models, self._not_ready[model], on_demand)

    def _name(self, model: ModelId) -> None:
        """What the bare name stands for, when the key is another."""
        if not model.namespace:
            return
        same = [other for other in self._versions if other.name == model.name]
        if not same:
            self._engine.forget(model.name)
        elif len(same) == 1:
            self._publish(model.name, same[0])
        else:
            self._engine.refuse(model.name, ambiguous(model.name, len(same)))
