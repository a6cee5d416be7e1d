# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The life cycle of models: which are loaded, by the control mode, by requests and by polls.

How one model gets from what serves to what is wanted is in `transitions`; what is wanted is decided
by the pure functions of `desired`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.errors import InvalidArgError, ServerError, UnavailableError
from penstock.models.desired import fits_as_before
from penstock.models.drains import Drains
from penstock.models.identity import ModelId, ambiguous, check_model_name
from penstock.models.index import IndexEntry, describe
from penstock.models.loader import Loader
from penstock.models.loading import LifecycleOptions, Loading
from penstock.models.on_demand import OnDemand
from penstock.models.overrides import LoadParameter, Overrides, parse_overrides
from penstock.models.polling import Poller
from penstock.models.progress import Tally
from penstock.models.repository import Repository
from penstock.models.state import ModelRecord, VersionState
from penstock.models.table import ModelTable
from penstock.models.transitions import Transitions

__all__ = [
    "IndexEntry",
    "Lifecycle",
    "LifecycleOptions",
    "LoadFailure",
    "LoadParameter",
    "VersionState",
]

_LOG = logging.getLogger("penstock.models")


@dataclass(frozen=True)
class LoadFailure:
    """A model that did not load at the start."""

    name: str
    reason: str


class Lifecycle:
    """Loads and unloads models through a Loader. Thread safe; load, unload and close block."""

    def __init__(self, repository: Repository, loader: Loader, options: LifecycleOptions) -> None:
        self._repository = repository
        self._loader = loader
        self._options = options
        self._table = ModelTable(repository, loader, on_demand=options.on_demand)
        self._loading = Loading(repository, loader, options)
        self._drains = Drains(loader, self._table.lock, lambda: self._table.on_change())
        self._transitions = Transitions(self._table, self._loading, loader, self._drains)
        #: what is loaded when a request asks for it
        self.on_demand = OnDemand(
            repository,
            self._table,
            self._transitions,
            lambda model: self._load(model, None, by_name=False),
        )
        self._poller = Poller(repository, self, options.poll_secs)
        self._initialised = False
        self._closing = False

    @property
    def on_change(self) -> Callable[[], None]:
        """Called when `ready()` may have changed, on any thread, with nothing locked."""
        return self._table.on_change

    @on_change.setter
    def on_change(self, watcher: Callable[[], None]) -> None:
        self._table.on_change = watcher

    def load_all(self) -> list[LoadFailure]:
        """Load what the control mode says; once, at the start. Failures disturb nobody."""
        models, failed = self._at_start()
        failures = [LoadFailure(location, reason) for location, reason in failed.items()]
        failures += self.load_many(models)
        if self._options.on_demand:
            self.on_demand.offer_all()
        with self._table.lock:
            self._initialised = True
        self.on_change()
        if self._options.control_mode == "poll":
            self._poller.start()
        return failures

    def load(self, name: str, parameters: Mapping[str, LoadParameter] | None = None) -> None:
        """REP-2: returns when the model is loaded. Raises ServerError; what served goes on.

        parameters: "config" -> JSON text; "file:<relative path>" -> bytes.
        """
        self._check_mode()
        check_model_name(name)
        self._load(self._identify(name), parse_overrides(parameters))

    def unload(self, name: str, *, unload_dependents: bool = False) -> None:
        """REP-3: returns once no new request finds the model; it drains in the background.

        Ensembles that have it in a step end before it does (R-24). unload_dependents: also the
        models of an ensemble that nobody loaded by name and no other ensemble needs (R-28).
        """
        self._check_mode()
        known = self._table.identify(name)
        if len(known) > 1:
            raise ambiguous(name, len(known))
        for model in known:
            self._unload(model, unload_dependents=unload_dependents)

    def index(self, *, ready_only: bool = False) -> list[IndexEntry]:
        """REP-1, X-18: all versions by name and number; raises nothing."""
        duplicates = self._repository.known()
        entries: list[IndexEntry] = []
        records = {record.model: record for record in self._table.records()}
        waiting = self._poller.waiting
        with self._table.lock:
            for model in sorted(records.keys() | duplicates.keys()):
                entries += describe(
                    model,
                    records.get(model),
                    duplicate=duplicates.get(model, False),
                    waiting=waiting.get(model, ""),
                )
        if ready_only:
            return [entry for entry in entries if entry.state is VersionState.READY]
        return entries

    def ready(self) -> bool:
        """S-READY."""
        with self._table.lock:
            initialised = self._initialised
        if not initialised or not self._options.strict_readiness:
            return initialised
        records = self._table.records()
        with self._table.lock:
            return all(record.settled for record in records)

    def end_loads(self) -> None:
        """Nothing can be loaded any more, and loads that hang are given up soon. Does not block."""
        with self._table.lock:
            self._closing = True
        self.on_demand.close()
        self._loading.end_soon()

    def close(self) -> None:
        """Unload everything and wait for it; nothing can be loaded any more."""
        self.end_loads()
        self._poller.close()
        self._loading.close()  # what hangs holds its model
        models = self._table.by_depth()
        for model in models:
            with self._table.operating(model) as record:
                self._transitions.unload(record)
        self._drains.close()
        self._transitions.close()
        for model in models:
            self._loader.forget(model)

    # ------------------------------------------------------------ for the poller

    def records(self) -> list[ModelRecord]:
        """All models that are known."""
        return self._table.records()

    def load_many(self, models: Iterable[ModelId]) -> list[LoadFailure]:
        """Load these side by side; those that need others wait for them (R-26)."""
        wanted = list(dict.fromkeys(models))
        tally = Tally("%d of %d models are loaded", len(wanted))

        def load(model: ModelId) -> LoadFailure | None:
            failure = self._try_load(model)
            tally.count()
            return failure

        with ThreadPoolExecutor(self._options.thread_count, "model-start") as threads:
            return [failure for failure in threads.map(load, wanted) if failure is not None]

    def unload_many(self, models: Iterable[ModelId]) -> None:
        """Unload these, ensembles before what they are made of."""
        gone = frozenset(models)
        for model in self._table.by_depth():
            if model in gone:
                self._unload(model, unload_dependents=False)

    # ------------------------------------------------------------ load

    def _check_mode(self) -> None:
        """REP-4; `none` has the words of polling as well (X-21)."""
        if self._options.control_mode != "explicit":
            text = "explicit model load / unload is not allowed if polling is enabled"
            raise UnavailableError(text)

    def _at_start(self) -> tuple[Iterable[ModelId], Mapping[str, str]]:
        """What to load, and the repositories that could not be listed, and why."""
        if self._options.control_mode == "poll":
            return self._poller.begin()
        names = self._options.load_models
        if self._options.on_demand and self._options.control_mode == "none":
            return (), self._repository.names()[1]
        if self._options.control_mode == "none" or names == ("*",):
            models, failed = self._repository.names()
            return sorted(models), failed
        found = {name: self._repository.identify(name) or [ModelId(name)] for name in names}
        return [model for models in found.values() for model in models], {}

    def _identify(self, name: str) -> ModelId:
        """The one model of that name (R-4). Raises InvalidArgError when there are several."""
        found = self._repository.identify(name) or self._table.identify(name)
        if len(found) > 1:
            raise ambiguous(name, len(found))
        return found[0] if found else ModelId(name)

    def _try_load(self, model: ModelId) -> LoadFailure | None:
        try:
            check_model_name(model.name)
            self._load(model, None)
        except ServerError as error:
            return LoadFailure(model.name, error.message)
        return None

    def _load(
        self,
        model: ModelId,
        overrides: Overrides | None,
        ensembles: tuple[ModelId, ...] = (),
        *,
        by_name: bool = True,
    ) -> None:
        """`ensembles`: those that the model is loaded for, the outermost first.

        `by_name`: somebody asks for it to be loaded, and not only for an inference.
        """
        names = self._loading.composing(model, overrides)
        if model in ensembles:
            raise InvalidArgError(
                "circular dependency between ensembles: "
                + " -> ".join(one.name for one in (*ensembles, model))
            )
        composing, failures = self._load_composing(names, (*ensembles, model))
        with self._table.operating(model) as record:
            with self._table.lock:
                if self._closing:
                    raise UnavailableError("Server not ready")
                if failures:
                    record.failure = failures[0]
            if failures:
                raise InvalidArgError(failures[0])
            before = record.serving.interfaces if record.serving is not None else {}
            self._transitions.load(record, overrides, composing)
            after = record.serving.interfaces if record.serving is not None else {}
            with self._table.lock:
                record.composing = tuple(composing)
                record.explicit = record.explicit or (by_name and not ensembles)
                record.on_demand = self._options.on_demand
        self._revise(model, before, after)

    def _load_composing(
        self, names: tuple[str, ...], ensembles: tuple[ModelId, ...]
    ) -> tuple[list[ModelId], list[str]]:
        """Load those that do not serve (REP-2); why the ensemble cannot be loaded then."""
        models: list[ModelId] = []
        failures: list[str] = []
        for name in names:
            try:
                models.append(self._composing(name, ensembles[-1]))
                if not self._table.serves(models[-1]):
                    check_model_name(name)
                    self._load(models[-1], None, ensembles)
            except ServerError as error:
                failures.append(
                    f"ensemble '{ensembles[-1].name}' depends on '{name}' which has no loaded "
                    f"version. Model '{name}' loading failed with error: {error.message}"
                )
        return models, failures

    def _composing(self, name: str, ensemble: ModelId) -> ModelId:
        """R-4: in the ensemble's own namespace first, then where there is only one."""
        own = ModelId(name, ensemble.namespace)
        if self._table.serves(own) or not own.namespace:
            return own
        found = self._repository.identify(name)
        return own if own in found else self._identify(name)

    def _revise(
        self, model: ModelId, before: Mapping[int, ModelConfig], after: Mapping[int, ModelConfig]
    ) -> None:
        """R-24: ensembles have to fit the model as it is now; those that do not are unloaded."""
        for ensemble in self._table.ensembles_of(model) if before else ():
            try:
                with self._table.operating(ensemble) as record:
                    serving = record.serving
                    if serving is not None and not fits_as_before(
                        serving.preparation.config, model.name, before, after
                    ):
                        self._transitions.rebuild(record)
            except ServerError as error:
                _LOG.error("ensemble '%s' is unloaded: %s", ensemble.name, error.message)
                self._unload(ensemble, unload_dependents=False, failure=error.message)

    # ------------------------------------------------------------ unload

    def _unload(self, model: ModelId, *, unload_dependents: bool, failure: str = "") -> None:
        for ensemble in self._table.ensembles_of(model):
            _LOG.warning(
                "ensemble '%s' is unloaded: it depends on '%s', which is", ensemble.name, model.name
            )
            self._unload(ensemble, unload_dependents=False)
        with self._table.operating(model) as record:
            composing = record.composing
            record.explicit = record.on_demand = False
            self._transitions.unload(record, failure)
        for needed in composing if unload_dependents else ():
            if not self._table.needed(needed):
                self._unload(needed, unload_dependents=True)
