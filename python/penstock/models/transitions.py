# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How one model gets from what serves to what is wanted (R-23, R-25, R-29).

New versions load and warm up beside the old ones; then requests find the new ones, in one step, and
the old ones are drained. If any version fails, all is as it was. Every method is called by who
operates on the record, so that nothing else happens to the model meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.errors import InternalError, InvalidArgError, ServerError
from penstock.models.desired import Served, Transition, plan_load
from penstock.models.drains import Drains
from penstock.models.identity import ModelId
from penstock.models.loader import Loader, VersionHandle
from penstock.models.loading import Loading, PreparedLoad
from penstock.models.overrides import Overrides
from penstock.models.progress import LoadProgress
from penstock.models.state import UNLOADED, ModelRecord, Serving, VersionRecord, VersionState
from penstock.models.table import ModelTable

_LOG = logging.getLogger("penstock.models")

#: What the index says of a model whose policy selects nothing (12.5).
_NO_VERSION = "Not loaded: No model version was found"


class Transitions:
    """The moves of one model at a time. Thread safe."""

    def __init__(self, table: ModelTable, loading: Loading, loader: Loader, drains: Drains) -> None:
        self._table = table
        self._loading = loading
        self._loader = loader
        self._drains = drains
        # What was loaded is read once more, at leisure, to tell later changes from mere touches.
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="model-digest")

    def load(
        self, record: ModelRecord, overrides: Overrides | None, composing: Sequence[ModelId]
    ) -> bool:
        """Serve what the repository and the request say. False: it is so already.

        Raises ServerError; what served goes on, and the record says why.
        """
        progress = LoadProgress()
        with self._table.lock:
            record.progress = progress
        try:
            prepared = self._prepare(record, overrides, progress)
            try:
                return self._load_prepared(record, prepared, composing, progress)
            finally:
                prepared.files.release()
        finally:
            progress.end()

    def rebuild(self, record: ModelRecord) -> None:
        """Load what serves once more, from the same files: an ensemble whose models changed.

        Raises ServerError; what served goes on.
        """
        serving = record.serving
        files = serving.versions[0].files if serving is not None else None
        if serving is None or files is None:
            return
        preparation = replace(serving.preparation, model_dir=files.model_dir)
        prepared = PreparedLoad(preparation, files, serving.location, forced=True)
        transition = Transition(load=serving.numbers, drop=serving.numbers)
        progress = LoadProgress()
        loaded = self._load_versions(record, prepared, transition, record.composing, progress)
        self._switch(record, prepared, transition, loaded, {})

    def unload(self, record: ModelRecord, failure: str = "", reason: str = UNLOADED) -> None:
        """No new request finds the model; it drains in the background.

        `failure`: why, when nobody asked for it; `reason`: what the index says of its versions.
        """
        with self._table.lock:
            old, record.serving = record.serving, None
            record.failure = failure
            record.progress = None
            for version in record.versions.values():
                if version.state is VersionState.READY:
                    version.move(VersionState.UNLOADING, "" if reason == UNLOADED else reason)
                elif version.state is VersionState.UNAVAILABLE:
                    version.reason = reason  # who unloads a failed model is done with it
        self._table.publish(record)
        if old is not None:
            self._drains.begin(record, old.versions)

    def close(self) -> None:
        """Wait for what runs in the background."""
        self._readers.shutdown(wait=True, cancel_futures=True)

    # ------------------------------------------------------------ load

    def _prepare(
        self, record: ModelRecord, overrides: Overrides | None, progress: LoadProgress
    ) -> PreparedLoad:
        name = record.name
        try:
            prepared = self._loading.prepare(record.model, overrides, progress)
        except ServerError as error:
            _LOG.error("Poll failed for model directory '%s': %s", name, error.message)
            with self._table.lock:
                record.failure = error.message
            raise InternalError(
                f"failed to load '{name}', failed to poll from model repository: {error.message}"
            ) from error
        if not prepared.preparation.versions:
            prepared.files.release()
            _LOG.error(
                "at least one version must be available under the version policy of model '%s'",
                name,
            )
            with self._table.lock:
                record.failure = _NO_VERSION
            raise InternalError(f"failed to load '{name}', no version is available")
        return prepared

    def _load_prepared(
        self,
        record: ModelRecord,
        prepared: PreparedLoad,
        composing: Sequence[ModelId],
        progress: LoadProgress,
    ) -> bool:
        transition, updates = self._plan(record, prepared)
        if transition.nothing:
            with self._table.lock:
                record.failure = ""
                if record.serving is not None:  # later looks are compared with this one
                    record.serving = replace(record.serving, tree=prepared.files.tree)
            self._remember(prepared)
            return False
        if transition.load:
            self._drains.wait_for_room(record)
        loaded = self._load_versions(record, prepared, transition, composing, progress)
        try:
            updated = self._update_instances(record, updates, progress)
        except ServerError as error:
            raise self._abandon(record, loaded, dict.fromkeys(updates, error.message)) from error
        self._switch(record, prepared, transition, loaded, updated)
        _LOG.info("successfully loaded '%s'", record.name)
        progress.end()
        _LOG.info("loaded '%s' in %s", record.name, progress)
        self._remember(prepared)
        return True

    def _remember(self, prepared: PreparedLoad) -> None:
        if prepared.files.tree is not None:
            self._readers.submit(prepared.files.tree.remember_content)

    def _plan(
        self, record: ModelRecord, prepared: PreparedLoad
    ) -> tuple[Transition, dict[int, tuple[VersionHandle, ModelConfig]]]:
        """What to do, and which versions are updated to which configuration."""
        serving, preparation = record.serving, prepared.preparation
        served = None
        if serving is not None and serving.location == prepared.location:
            served = Served(serving.numbers, serving.preparation.config, serving.tree)
        elif serving is not None:
            served = Served(serving.numbers, serving.preparation.config, None)
        transition = plan_load(
            served,
            preparation.versions,
            preparation.config,
            prepared.files.tree,
            forced=prepared.forced,
        )
        updates: dict[int, tuple[VersionHandle, ModelConfig]] = {}
        if transition.update and serving is not None:
            for version in serving.versions:
                if version.version not in transition.keep or version.handle is None:
                    continue
                config = self._loading.complete(preparation, version.version)
                if not self._loader.can_update(version.handle, config):
                    wanted = frozenset(preparation.versions)
                    return Transition(load=wanted, drop=serving.numbers), {}
                updates[version.version] = (version.handle, config)
        return transition, updates

    def _load_versions(
        self,
        record: ModelRecord,
        prepared: PreparedLoad,
        transition: Transition,
        composing: Sequence[ModelId],
        progress: LoadProgress,
    ) -> list[VersionRecord]:
        """Load those that are new, side by side. Raises ServerError; nothing of it is left."""
        records = self._begin(record, prepared, transition)
        keys = {model.name: model.key for model in composing}
        preparation, namespace = prepared.preparation, record.model.namespace
        failures: dict[int, str] = {}
        with progress.stage("load versions"):
            futures = [
                self._loading.submit(preparation, prepared.files, version.version, namespace, keys)
                for version in records
            ]
            for version, future in zip(records, futures, strict=True):
                try:
                    version.handle = future.result()
                    version.files = prepared.files.hold()
                    progress.add(version.handle.stages)
                except ServerError as error:
                    failures[version.version] = error.message
        if failures:
            raise self._abandon(record, records, failures)
        return records

    def _begin(
        self, record: ModelRecord, prepared: PreparedLoad, transition: Transition
    ) -> list[VersionRecord]:
        """New versions are LOADING; they show only where nothing serves yet (X-66)."""
        records = [VersionRecord(version) for version in sorted(transition.load)]
        for version in records:
            version.move(VersionState.LOADING)
        with self._table.lock:
            record.failure = ""
            if record.serving is None:
                record.versions.update({version.version: version for version in records})
        self._table.publish(record)
        return records

    def _update_instances(
        self,
        record: ModelRecord,
        updates: Mapping[int, tuple[VersionHandle, ModelConfig]],
        progress: LoadProgress,
    ) -> dict[int, VersionHandle]:
        """R-25, by version. Raises ServerError; those that were updated before are put back."""
        updated: dict[int, VersionHandle] = {}
        with progress.stage("update instances"):
            for number, (handle, config) in updates.items():
                try:
                    updated[number] = self._loader.update_version(handle, config)
                except ServerError:
                    for done, new in updated.items():
                        record.versions[done].handle = self._loader.update_version(
                            new, updates[done][0].config
                        )
                    raise
        return updated

    def _switch(
        self,
        record: ModelRecord,
        prepared: PreparedLoad,
        transition: Transition,
        loaded: Sequence[VersionRecord],
        updated: Mapping[int, VersionHandle],
    ) -> None:
        """All versions loaded: from now on requests find these and no others."""
        with self._table.lock:
            old = record.serving.versions if record.serving is not None else ()
            kept = [version for version in old if version.version in transition.keep]
            dropped = [version for version in old if version.version not in transition.keep]
            for version in dropped:
                version.move(VersionState.UNLOADING)
            for version in kept:
                version.handle = updated.get(version.version, version.handle)
            record.versions = {
                number: version
                for number, version in record.versions.items()
                if version.state is VersionState.UNLOADING
                or (version.settled and number in prepared.preparation.available)
            }
            for version in loaded:
                version.move(VersionState.READY)
                record.versions[version.version] = version
            record.serving = Serving(
                tuple(sorted((*kept, *loaded), key=lambda version: version.version)),
                prepared.preparation,
                prepared.files.tree,
                prepared.location,
            )
        self._table.publish(record)
        if dropped:
            self._drains.begin(record, dropped)

    def _abandon(
        self,
        record: ModelRecord,
        loaded: Sequence[VersionRecord],
        failures: Mapping[int, str],
    ) -> ServerError:
        """A version failed: drop those that loaded, keep what served, and say why (R-23)."""
        reasons = "".join(
            f"version {version} is at UNAVAILABLE state: {reason};\n"
            for version, reason in failures.items()
        )
        with self._table.lock:
            for version in loaded:
                version.move(VersionState.UNAVAILABLE, failures.get(version.version, UNLOADED))
            if record.serving is not None:
                record.failure = reasons
        self._table.publish(record)
        self._drains.begin(record, loaded)
        return InvalidArgError(f"load failed for model '{record.name}': {reasons}")
