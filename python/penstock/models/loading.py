# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Prepares models, and loads their versions on the load threads (contract R-26)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.config.plan_ensemble import composing_models
from penstock.errors import Code, InternalError, ServerError
from penstock.models.files import ModelFiles
from penstock.models.identity import ModelId
from penstock.models.load_threads import LoadThreads
from penstock.models.loader import Loader, VersionHandle
from penstock.models.overrides import Overrides, write_files
from penstock.models.preparation import Preparation, complete, prepare
from penstock.models.progress import LoadProgress
from penstock.models.repository import Repository

_LOG = logging.getLogger("penstock.models")

_STATUS_NAMES: dict[Code, str] = {
    Code.UNKNOWN: "Unknown",
    Code.INTERNAL: "Internal",
    Code.NOT_FOUND: "Not found",
    Code.INVALID_ARG: "Invalid argument",
    Code.UNAVAILABLE: "Unavailable",
    Code.UNSUPPORTED: "Unsupported",
    Code.ALREADY_EXISTS: "Already exists",
    Code.CANCELLED: "Cancelled",
    Code.DEADLINE_EXCEEDED: "Deadline exceeded",
}


@dataclass(frozen=True)
class LifecycleOptions:
    """What of the settings the life cycle needs."""

    control_mode: str = "none"  # none, poll or explicit
    load_models: tuple[str, ...] = ()  # names, or ("*",); explicit mode only
    auto_complete: bool = True
    config_name: str = ""
    thread_count: int = 4
    retry_count: int = 0
    timeout_s: float = 0.0  # of one version, all attempts together; 0: none
    strict_readiness: bool = True
    poll_secs: float = 15.0
    on_demand: bool = False  # models that nobody loads by name load when a request asks for them


@dataclass(frozen=True)
class PreparedLoad:
    """A model that is ready to be loaded, and where its files are; whoever has it releases them."""

    preparation: Preparation
    files: ModelFiles
    #: the repository that it is in; "" when its files come with a request
    location: str
    #: a request overrides something
    forced: bool


class Loading:
    """Prepares models and runs the load threads. Thread safe."""

    def __init__(self, repository: Repository, loader: Loader, options: LifecycleOptions) -> None:
        self._repository = repository
        self._loader = loader
        self._options = options
        self._threads = LoadThreads(options.thread_count, options.timeout_s)

    def prepare(
        self, model: ModelId, overrides: Overrides | None, progress: LoadProgress
    ) -> PreparedLoad:
        """The model as the repository or the load request has it. Raises ServerError."""
        location = ""
        with progress.stage("fetch"):
            if overrides is not None and overrides.files:
                files = write_files(model.name, overrides.files)
            else:
                source = self._repository.source(model)
                location = source.location
                files = source.open(model.name, progress.fetched)
        try:
            with progress.stage("configure"):
                preparation = prepare(
                    files.model_dir,
                    overrides.config if overrides is not None else None,
                    auto_complete=self._options.auto_complete,
                    config_name=self._options.config_name,
                )
        except BaseException:
            files.release()
            raise
        return PreparedLoad(preparation, files, location, overrides is not None)

    def composing(self, model: ModelId, overrides: Overrides | None) -> tuple[str, ...]:
        """The models that must be loaded before this one: those of an ensemble.

        What cannot be read has none here; preparing it says why.
        """
        if overrides is not None and overrides.config is not None:
            return composing_models(overrides.config.config)
        try:
            parsed = self._repository.source(model).read_config(
                model.name, self._options.config_name
            )
        except (ServerError, OSError):
            return ()
        return composing_models(parsed.config) if parsed is not None else ()

    def submit(
        self,
        preparation: Preparation,
        files: ModelFiles,
        version: int,
        namespace: str,
        composing: Mapping[str, str],
    ) -> Future[VersionHandle]:
        """Load one version on a load thread; its future raises ServerError and nothing else.

        `files`: held until the load has ended, also when that is after its time-out.
        """

        def load() -> VersionHandle:
            hold = files.hold()
            try:
                return self._load(preparation, version, namespace, composing)
            finally:
                hold.release()

        return self._threads.submit(
            f"'{preparation.name}' version {version}",
            load,
            cut=lambda: self._loader.cut_load(preparation.model_dir, version),
            discard=self._loader.unload_version,
        )

    def complete(self, preparation: Preparation, version: int) -> ModelConfig:
        """The final configuration of a version. Raises ServerError."""
        return complete(
            preparation, version, self._loader, auto_complete=self._options.auto_complete
        )

    def end_soon(self) -> None:
        """The server stops: a load that hangs does not hold it up for long."""
        self._threads.end_soon()

    def close(self) -> None:
        """Wait for the loads that run; those that hang are given up."""
        self._threads.close()

    def _load(
        self, preparation: Preparation, version: int, namespace: str, composing: Mapping[str, str]
    ) -> VersionHandle:
        name = preparation.name
        _LOG.info("loading: %s:%d", name, version)
        for attempts_left in range(self._options.retry_count, -1, -1):
            try:
                return self._load_once(preparation, version, namespace, composing)
            except ServerError as error:
                status = f"{_STATUS_NAMES[error.code]}: {error.message}"
                _LOG.error("failed to load '%s' version %d: %s", name, version, status)
                if attempts_left == 0:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _load_once(
        self, preparation: Preparation, version: int, namespace: str, composing: Mapping[str, str]
    ) -> VersionHandle:
        try:
            return self._loader.load_version(
                preparation.name,
                preparation.model_dir,
                version,
                self.complete(preparation, version),
                namespace=namespace,
                composing=composing,
            )
        except ServerError:
            raise
        except Exception as error:
            _LOG.exception("loading '%s' version %d raised", preparation.name, version)
            raise InternalError(f"{type(error).__name__}: {error}") from error
