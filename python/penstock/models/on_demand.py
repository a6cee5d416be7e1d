# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Models that are loaded when a request asks for them, and unloaded to make room.

When, and which, is not decided here. What somebody loads by name stays; what somebody unloads by
name is not offered any more until it is loaded by name again.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock.models.identity import ModelId, check_model_name
from penstock.models.repository import Repository
from penstock.models.state import EVICTED
from penstock.models.table import ModelTable
from penstock.models.transitions import Transitions


class OnDemand:
    """Part of a life cycle. Thread safe; what loads or unloads blocks."""

    def __init__(
        self,
        repository: Repository,
        table: ModelTable,
        transitions: Transitions,
        load: Callable[[ModelId], None],
    ) -> None:
        """`load`: as a request wants it, not by name."""
        self._repository = repository
        self._table = table
        self._transitions = transitions
        self._load = load
        self._closed = False

    def offer_all(self) -> None:
        """Every model of the repositories, as they are now."""
        for model in sorted(self._repository.names()[0]):
            self.offer(model)

    def offer(self, model: ModelId) -> None:
        """Requests for the model wait from now on until it is loaded, unless it serves."""
        if self._closed:
            return
        with self._table.operating(model) as record:
            if record.serving is None:
                self._table.publish(record)

    def awaited(self, name: str) -> bool:
        """The model does not serve, and is loaded when somebody asks for it."""
        return self._table.awaits_demand(ModelId(name))

    def serves(self, model: ModelId) -> bool:
        """Requests find a version of it."""
        return self._table.serves(model)

    def load(self, model: ModelId) -> None:
        """For a request that waits for it. Raises ServerError."""
        check_model_name(model.name)
        self._load(model)

    def evict(self, model: ModelId) -> bool:
        """Unload a model to make room. False: it was loaded by name, or is needed, or is gone."""
        if self._table.needed(model):
            return False
        with self._table.operating(model) as record:
            if record.serving is None or record.explicit:
                return False
            self._transitions.unload(record, reason=EVICTED)
            return True

    def serving(self) -> list[tuple[ModelId, bool, tuple[ModelId, ...]]]:
        """The models that requests find, whether by name, and those that each is made of."""
        return self._table.serving()

    def files_bytes(self, model: ModelId) -> int:
        """Of all files of the model. Raises ServerError."""
        return self._repository.source(model).look(model.name).size_bytes

    def close(self) -> None:
        """Nothing is offered any more."""
        self._closed = True
