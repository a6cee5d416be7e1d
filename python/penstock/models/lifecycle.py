# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The life cycle of models: which versions are loaded, and the way from one set to the next.

A load prepares the configuration, loads all wanted versions on the load threads while the old ones
serve, and then switches in one step; if any version fails, the old ones stay (contract R-23). What
is replaced or unloaded is drained in the background.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from penstock.errors import InternalError, InvalidArgError, ServerError, UnavailableError
from penstock.models.drains import Drains
from penstock.models.index import IndexEntry, describe
from penstock.models.loader import Loader
from penstock.models.loading import LifecycleOptions, Loading, PreparedLoad
from penstock.models.overrides import LoadParameter, Overrides, parse_overrides
from penstock.models.repository import Repository, check_model_name
from penstock.models.state import UNLOADED, Generation, ModelRecord, VersionRecord, VersionState

__all__ = [
    "IndexEntry",
    "Lifecycle",
    "LifecycleOptions",
    "LoadFailure",
    "LoadParameter",
    "VersionState",
]

_LOG = logging.getLogger("penstock.models")

_NO_VERSION = "Not loaded: No model version was found"


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
        self._loading = Loading(repository, loader, options)
        self._lock = threading.Lock()
        self._drains = Drains(loader, self._lock, lambda: self.on_change())
        #: Called when `ready()` may have changed, on any thread, with nothing locked.
        self.on_change: Callable[[], None] = lambda: None
        self._records: dict[str, ModelRecord] = {}
        self._initialised = False
        self._closing = False

    def load_all(self) -> list[LoadFailure]:
        """Load what the control mode says; once, at the start. Failures disturb nobody."""
        names = self._options.load_models
        if self._options.control_mode == "none" or names == ("*",):
            names = tuple(sorted(self._repository.scan()))
        with ThreadPoolExecutor(self._options.thread_count) as threads:
            results = list(threads.map(self._load_at_start, dict.fromkeys(names)))
        with self._lock:
            self._initialised = True
        self.on_change()
        return [failure for failure in results if failure is not None]

    def load(self, name: str, parameters: Mapping[str, LoadParameter] | None = None) -> None:
        """REP-2: returns when the model is loaded. Raises ServerError; what served goes on.

        parameters: "config" -> JSON text; "file:<relative path>" -> bytes.
        """
        self._check_mode()
        check_model_name(name)
        self._load(name, parse_overrides(parameters))

    def unload(self, name: str, *, unload_dependents: bool = False) -> None:
        """REP-3: returns once no new request finds the model; it drains in the background.

        unload_dependents: also the models of an ensemble that nobody loaded by name and no other
        ensemble needs (R-28).
        """
        self._check_mode()
        with self._lock:
            if name not in self._records:
                return
        with self._operating(name) as record:
            composing = record.composing
            record.explicit = False
            self._unload(record)
            self._forget_if_gone(record)
        for needed in composing if unload_dependents else ():
            if not self._needed(needed):
                self.unload(needed, unload_dependents=True)

    def index(self, *, ready_only: bool = False) -> list[IndexEntry]:
        """REP-1, X-18: all versions by name and number; raises nothing."""
        on_disk = self._repository.scan()
        entries: list[IndexEntry] = []
        with self._lock:
            for name in sorted(self._records.keys() | on_disk.keys()):
                duplicate = len(on_disk.get(name, ())) > 1
                entries += describe(name, self._records.get(name), duplicate=duplicate)
        if ready_only:
            return [entry for entry in entries if entry.state is VersionState.READY]
        return entries

    def ready(self) -> bool:
        """S-READY."""
        with self._lock:
            if not self._initialised or not self._options.strict_readiness:
                return self._initialised
            return all(record.settled for record in self._records.values())

    def close(self) -> None:
        """Unload everything and wait for it; nothing can be loaded any more."""
        with self._lock:
            self._closing = True
            # Ensembles end before their models do.
            names = sorted(self._records, key=self._depth, reverse=True)
        for name in names:
            with self._operating(name) as record:
                self._unload(record)
        self._loading.close()
        self._drains.close()
        for name in names:
            self._loader.forget(name)

    def _check_mode(self) -> None:
        """REP-4; `none` has the words of polling as well (X-21)."""
        if self._options.control_mode != "explicit":
            text = "explicit model load / unload is not allowed if polling is enabled"
            raise UnavailableError(text)

    @contextmanager
    def _operating(self, name: str) -> Iterator[ModelRecord]:
        """The model's record, for one operation at a time; the next one waits (R-27)."""
        while True:
            with self._lock:
                record = self._records.setdefault(name, ModelRecord(name))
            with record.operation:
                if not record.forgotten:
                    yield record
                    return

    # ------------------------------------------------------------ load

    def _load_at_start(self, name: str) -> LoadFailure | None:
        try:
            check_model_name(name)
            self._load(name, None)
        except ServerError as error:
            return LoadFailure(name, error.message)
        return None

    def _load(
        self, name: str, overrides: Overrides | None, ensembles: tuple[str, ...] = ()
    ) -> None:
        """`ensembles`: those that the model is loaded for, the outermost first."""
        composing = self._loading.composing(name, overrides)
        if name in ensembles:
            raise InvalidArgError(
                f"circular dependency between ensembles: {' -> '.join((*ensembles, name))}"
            )
        failures = self._load_composing(composing, (*ensembles, name))
        with self._operating(name) as record:
            try:
                with self._lock:
                    if self._closing:
                        raise UnavailableError("Server not ready")
                    if failures:
                        record.failure = failures[0]
                if failures:
                    raise InvalidArgError(failures[0])
                self._load_record(record, overrides)
                record.composing = composing
                record.explicit = record.explicit or not ensembles
            finally:
                self._forget_if_gone(record)

    def _load_composing(self, names: tuple[str, ...], ensembles: tuple[str, ...]) -> list[str]:
        """Load those that do not serve (REP-2); why the ensemble cannot be loaded then."""
        failures: list[str] = []
        for name in names:
            try:
                if not self._serves(name):
                    check_model_name(name)
                    self._load(name, None, ensembles)
            except ServerError as error:
                failures.append(
                    f"ensemble '{ensembles[-1]}' depends on '{name}' which has no loaded version. "
                    f"Model '{name}' loading failed with error: {error.message}"
                )
        return failures

    def _serves(self, name: str) -> bool:
        with self._lock:
            record = self._records.get(name)
            return record is not None and record.serving is not None

    def _needed(self, name: str) -> bool:
        """Somebody loaded it by name, or an ensemble that serves is made of it."""
        with self._lock:
            record = self._records.get(name)
            return (record is not None and record.explicit) or any(
                name in other.composing and other.serving is not None
                for other in self._records.values()
            )

    def _depth(self, name: str) -> int:
        """Ensembles are above their models. Under the lock; there are no circles."""
        record = self._records.get(name)
        if record is None:
            return 0
        return 1 + max((self._depth(needed) for needed in record.composing), default=0)

    def _load_record(self, record: ModelRecord, overrides: Overrides | None) -> None:
        prepared = self._prepare(record, overrides)
        with self._lock:
            unchanged = (
                record.serving is not None
                and prepared.fingerprint is not None
                and prepared.fingerprint == record.fingerprint
            )
            if unchanged:
                record.failure = ""
        if unchanged:
            return
        self._drains.wait_for_room(record)
        generation = self._begin(record, prepared)
        futures = [
            self._loading.submit(prepared.preparation, version.version)
            for version in generation.records
        ]
        failures: dict[int, str] = {}
        for version, future in zip(generation.records, futures, strict=True):
            try:
                version.handle = future.result()
            except ServerError as error:
                failures[version.version] = error.message
        if failures:
            raise self._abandon(record, generation, failures)
        self._switch(record, generation, prepared)

    def _prepare(self, record: ModelRecord, overrides: Overrides | None) -> PreparedLoad:
        name = record.name
        try:
            prepared = self._loading.prepare(name, overrides)
        except ServerError as error:
            _LOG.error("Poll failed for model directory '%s': %s", name, error.message)
            with self._lock:
                record.failure = error.message
            raise InternalError(
                f"failed to load '{name}', failed to poll from model repository: {error.message}"
            ) from error
        if not prepared.preparation.versions:
            prepared.discard()
            _LOG.error(
                "at least one version must be available under the version policy of model '%s'",
                name,
            )
            with self._lock:
                record.failure = _NO_VERSION
            raise InternalError(f"failed to load '{name}', no version is available")
        return prepared

    def _begin(self, record: ModelRecord, prepared: PreparedLoad) -> Generation:
        """New versions are LOADING; they show only where nothing serves yet (X-66)."""
        records = [VersionRecord(version) for version in prepared.preparation.versions]
        for version in records:
            version.move(VersionState.LOADING)
        with self._lock:
            record.failure = ""
            if record.serving is None:
                record.versions.update({version.version: version for version in records})
        self._publish(record)
        return Generation(records, prepared.workspace)

    def _switch(self, record: ModelRecord, generation: Generation, prepared: PreparedLoad) -> None:
        """All versions loaded: from now on requests find these and no others."""
        with self._lock:
            old, record.serving = record.serving, generation
            record.fingerprint = prepared.fingerprint
            for version in old.records if old is not None else ():
                version.move(VersionState.UNLOADING)
            record.versions = {
                number: version
                for number, version in record.versions.items()
                if version.state is VersionState.UNLOADING
                or (version.settled and number in prepared.preparation.available)
            }
            for version in generation.records:
                version.move(VersionState.READY)
                record.versions[version.version] = version
        self._publish(record)
        _LOG.info("successfully loaded '%s'", record.name)
        if old is not None:
            self._drains.begin(record, old)

    def _abandon(
        self, record: ModelRecord, generation: Generation, failures: Mapping[int, str]
    ) -> ServerError:
        """A version failed: drop those that loaded, keep what served, and say why (R-23)."""
        reasons = "".join(
            f"version {version} is at UNAVAILABLE state: {reason};\n"
            for version, reason in failures.items()
        )
        with self._lock:
            for version in generation.records:
                reason = failures.get(version.version, UNLOADED)
                version.move(VersionState.UNAVAILABLE, reason)
            if record.serving is not None:
                record.failure = reasons
        self._publish(record)
        self._drains.begin(record, generation)
        return InvalidArgError(f"load failed for model '{record.name}': {reasons}")

    # ------------------------------------------------------------ unload

    def _unload(self, record: ModelRecord) -> None:
        with self._lock:
            old, record.serving = record.serving, None
            record.failure = ""
            for version in record.versions.values():
                if version.state is VersionState.READY:
                    version.move(VersionState.UNLOADING)
                elif version.state is VersionState.UNAVAILABLE:
                    version.reason = UNLOADED  # who unloads a failed model is done with it
        self._publish(record)
        if old is not None:
            self._drains.begin(record, old)

    # ------------------------------------------------------------ table

    def _publish(self, record: ModelRecord) -> None:
        with self._lock:
            ready, not_ready = record.ready_handles(), record.not_ready()
        if ready or not_ready:
            self._loader.publish(record.name, ready, not_ready)
        self.on_change()

    def _forget_if_gone(self, record: ModelRecord) -> None:
        """Models that no repository has are known only while they serve: the table is bounded."""
        on_disk = bool(self._repository.find(record.name))
        with self._lock:
            known = bool(record.versions or record.failure)
            if record.serving is not None or (on_disk and known):
                return
            record.forgotten = True
            del self._records[record.name]
        self._loader.forget(record.name)
        self.on_change()
