# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Finds and prepares models, and loads their versions on the load threads (contract R-26)."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from penstock.config.model_config import read_pbtxt
from penstock.config.plan_ensemble import composing_models
from penstock.errors import Code, InternalError, NotFoundError, ServerError
from penstock.models.loader import Loader, VersionHandle
from penstock.models.overrides import Overrides, Workspace
from penstock.models.preparation import Preparation, complete, prepare
from penstock.models.repository import Repository, config_path, fingerprint

_LOG = logging.getLogger("penstock.models")

#: Reason of a model that several repositories have (R-2).
DUPLICATE = "model appears in two or more repositories"

_STATUS_NAMES: dict[Code, str] = {
    Code.UNKNOWN: "Unknown",
    Code.INTERNAL: "Internal",
    Code.NOT_FOUND: "Not found",
    Code.INVALID_ARG: "Invalid argument",
    Code.UNAVAILABLE: "Unavailable",
    Code.UNSUPPORTED: "Unsupported",
    Code.ALREADY_EXISTS: "Already exists",
    Code.CANCELLED: "Cancelled",
}


@dataclass(frozen=True)
class LifecycleOptions:
    """What of the settings the life cycle needs."""

    control_mode: str = "none"  # none or explicit
    load_models: tuple[str, ...] = ()  # names, or ("*",); explicit mode only
    auto_complete: bool = True
    config_name: str = ""
    thread_count: int = 4
    retry_count: int = 0
    strict_readiness: bool = True


@dataclass(frozen=True)
class PreparedLoad:
    """A model that is ready to be loaded, and where its files are."""

    preparation: Preparation
    #: of the repository's files; None when a load request changes them
    fingerprint: Hashable | None
    workspace: Workspace | None

    def discard(self) -> None:
        """Remove what would be left of a load that does not happen."""
        if self.workspace is not None:
            self.workspace.remove()


class Loading:
    """Prepares models and runs the load threads. Thread safe."""

    def __init__(self, repository: Repository, loader: Loader, options: LifecycleOptions) -> None:
        self._repository = repository
        self._loader = loader
        self._options = options
        self._threads = ThreadPoolExecutor(options.thread_count, thread_name_prefix="model-load")

    def prepare(self, name: str, overrides: Overrides | None) -> PreparedLoad:
        """The model as the disk or the load request has it. Raises ServerError."""
        if overrides is not None and overrides.files:
            workspace = Workspace(name, overrides.files)
            try:
                preparation = self._prepare(workspace.model_dir, overrides)
            except BaseException:
                workspace.remove()
                raise
            return PreparedLoad(preparation, None, workspace)
        model_dir = self._find(name)
        try:
            # Before anything is read: a change while it is read counts as one for the next load.
            seen = fingerprint(model_dir) if overrides is None else None
        except OSError as error:
            raise InternalError(f"failed to read '{error.filename}': {error.strerror}") from None
        return PreparedLoad(self._prepare(model_dir, overrides), seen, None)

    def composing(self, name: str, overrides: Overrides | None) -> tuple[str, ...]:
        """The models that must be loaded before this one: those of an ensemble.

        What cannot be read has none here; preparing it says why.
        """
        if overrides is not None and overrides.config is not None:
            return composing_models(overrides.config.config)
        found = self._repository.find(name)
        path = config_path(found[0], self._options.config_name) if len(found) == 1 else None
        try:
            return composing_models(read_pbtxt(path).config) if path is not None else ()
        except (ServerError, OSError):
            return ()

    def submit(self, preparation: Preparation, version: int) -> Future[VersionHandle]:
        """Load one version on a load thread; its future raises ServerError and nothing else."""
        return self._threads.submit(self._load, preparation, version)

    def close(self) -> None:
        """Wait for the loads that run."""
        self._threads.shutdown(wait=True)

    def _find(self, name: str) -> Path:
        found = self._repository.find(name)
        if not found:
            raise NotFoundError("no model repository has the model")
        if len(found) > 1:
            _LOG.error("failed to poll model '%s': not unique across all model repositories", name)
            raise InternalError(DUPLICATE)
        return found[0]

    def _prepare(self, model_dir: Path, overrides: Overrides | None) -> Preparation:
        return prepare(
            model_dir,
            overrides.config if overrides is not None else None,
            auto_complete=self._options.auto_complete,
            config_name=self._options.config_name,
        )

    def _load(self, preparation: Preparation, version: int) -> VersionHandle:
        name = preparation.name
        _LOG.info("loading: %s:%d", name, version)
        for attempts_left in range(self._options.retry_count, -1, -1):
            try:
                return self._load_once(preparation, version)
            except ServerError as error:
                status = f"{_STATUS_NAMES[error.code]}: {error.message}"
                _LOG.error("failed to load '%s' version %d: %s", name, version, status)
                if attempts_left == 0:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _load_once(self, preparation: Preparation, version: int) -> VersionHandle:
        try:
            config = complete(
                preparation, version, self._loader, auto_complete=self._options.auto_complete
            )
            return self._loader.load_version(
                preparation.name, preparation.model_dir, version, config
            )
        except ServerError:
            raise
        except Exception as error:
            _LOG.exception("loading '%s' version %d raised", preparation.name, version)
            raise InternalError(f"{type(error).__name__}: {error}") from error
