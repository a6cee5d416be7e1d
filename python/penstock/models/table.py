# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The models that the server knows, and which of them need each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.models.identity import ModelId
from penstock.models.loader import Loader
from penstock.models.repository import Repository
from penstock.models.state import ModelRecord


class ModelTable:
    """Thread safe; `lock` guards the records' fields, and is held for moments only."""

    def __init__(self, repository: Repository, loader: Loader, *, on_demand: bool = False) -> None:
        """`on_demand`: models are loaded when a request asks for them."""
        self._on_demand = on_demand
        self._repository = repository
        self._loader = loader
        self.lock = threading.Lock()
        self._records: dict[ModelId, ModelRecord] = {}
        #: Called when readiness may have changed, on any thread, with nothing locked.
        self.on_change: Callable[[], None] = lambda: None

    @contextmanager
    def operating(self, model: ModelId) -> Iterator[ModelRecord]:
        """The model's record, for one operation at a time; the next one waits (R-27)."""
        while True:
            with self.lock:
                record = self._records.get(model)
                if record is None:
                    record = ModelRecord(model, on_demand=self._on_demand)
                    self._records[model] = record
            with record.operation:
                if not record.forgotten:
                    try:
                        yield record
                    finally:
                        self._forget_if_gone(record)
                    return

    def records(self) -> list[ModelRecord]:
        """All that are known, by name."""
        with self.lock:
            return [self._records[model] for model in sorted(self._records)]

    def identify(self, name: str) -> list[ModelId]:
        """The known models of that name."""
        with self.lock:
            return sorted(model for model in self._records if model.name == name)

    def serves(self, model: ModelId) -> bool:
        """Whether requests find a version of it."""
        with self.lock:
            record = self._records.get(model)
            return record is not None and record.serving is not None

    def awaits_demand(self, model: ModelId) -> bool:
        """It is known, does not serve, and is loaded when somebody asks for it."""
        with self.lock:
            record = self._records.get(model)
            return record is not None and record.serving is None and record.on_demand

    def serving(self) -> list[tuple[ModelId, bool, tuple[ModelId, ...]]]:
        """Those that requests find: whether loaded by name, and the models that each needs."""
        with self.lock:
            return [
                (record.model, record.explicit, record.composing)
                for record in self._records.values()
                if record.serving is not None
            ]

    def needed(self, model: ModelId) -> bool:
        """Somebody loaded it by name, or an ensemble that serves is made of it (R-28)."""
        with self.lock:
            record = self._records.get(model)
            explicit = record is not None and record.explicit
        return explicit or bool(self.ensembles_of(model))

    def ensembles_of(self, model: ModelId) -> list[ModelId]:
        """The ensembles that serve, and that have the model in a step."""
        with self.lock:
            return sorted(
                other.model
                for other in self._records.values()
                if model in other.composing and other.serving is not None
            )

    def by_depth(self) -> list[ModelId]:
        """Ensembles first, then their models."""
        with self.lock:
            return sorted(self._records, key=lambda model: (-self._depth(model), model))

    def publish(self, record: ModelRecord) -> None:
        """Requests find what the record has from now on."""
        with self.lock:
            ready, not_ready = record.ready_handles(), record.not_ready()
            on_demand = record.on_demand
        if ready or not_ready or on_demand:
            self._loader.publish(record.model, ready, not_ready, on_demand=on_demand)
        self.on_change()

    def _depth(self, model: ModelId) -> int:
        """Ensembles are above their models. Under the lock; there are no circles."""
        record = self._records.get(model)
        if record is None:
            return 0
        return 1 + max((self._depth(needed) for needed in record.composing), default=0)

    def _forget_if_gone(self, record: ModelRecord) -> None:
        """Models that no repository has are known only while they serve: the table is bounded."""
        with self.lock:
            known = bool(record.versions or record.failure or record.on_demand)
            if record.serving is not None:
                return
        on_disk = known and self._repository.has(record.model)
        with self.lock:
            if on_disk:
                return
            record.forgotten = True
            del self._records[record.model]
        self._loader.forget(record.model)
        self.on_change()
