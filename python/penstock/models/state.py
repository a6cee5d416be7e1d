# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is known of models and their versions, and how a version moves from state to state."""

from __future__ import annotations

import enum
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.models.files import ModelFiles
from penstock.models.identity import ModelId
from penstock.models.loader import VersionHandle
from penstock.models.preparation import Preparation
from penstock.models.progress import LoadProgress
from penstock.models.tree import Tree

#: The reason of a version that was unloaded on request: it does not spoil readiness (S-READY).
UNLOADED = "unloaded"
#: Of one that was unloaded to make room; it is loaded again when somebody asks for it.
EVICTED = "evicted: memory budget"


class VersionState(enum.Enum):
    """The states of the repository index (contract REP-1)."""

    UNKNOWN = "UNKNOWN"
    LOADING = "LOADING"
    READY = "READY"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


_MOVES: dict[VersionState, frozenset[VersionState]] = {
    VersionState.UNKNOWN: frozenset({VersionState.LOADING}),
    VersionState.LOADING: frozenset({VersionState.READY, VersionState.UNAVAILABLE}),
    VersionState.READY: frozenset({VersionState.UNLOADING}),
    VersionState.UNLOADING: frozenset({VersionState.UNAVAILABLE}),
    VersionState.UNAVAILABLE: frozenset(),
}


class VersionRecord:
    """One attempt to serve one version: from LOADING to UNAVAILABLE, never back.

    Loading a version again makes a new record, so that the end of an old one can never be taken
    for that of its successor.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self.state = VersionState.UNKNOWN
        self.reason = ""
        self.handle: VersionHandle | None = None
        #: held until the version is freed
        self.files: ModelFiles | None = None

    def move(self, state: VersionState, reason: str = "") -> None:
        """The one setter of the state; a move that is not drawn in the table is a bug."""
        if state not in _MOVES[self.state]:
            raise AssertionError(f"version {self.version}: {self.state.name} -> {state.name}")
        self.state = state
        self.reason = reason

    @property
    def settled(self) -> bool:
        """Fine for strict readiness."""
        unloaded = self.state is VersionState.UNAVAILABLE and self.reason in (UNLOADED, EVICTED)
        return (self.state is VersionState.READY and not self.problem) or unloaded

    @property
    def problem(self) -> str:
        """Why a version that is served can answer nothing any more; empty while it can."""
        if self.state is not VersionState.READY or self.handle is None:
            return ""
        return self.handle.problem


@dataclass(frozen=True)
class Serving:
    """What of a model is served, and what it was loaded from."""

    #: ascending by version
    versions: tuple[VersionRecord, ...]
    #: as it was before the back end completed it
    preparation: Preparation
    #: None: the files came with a load request
    tree: Tree | None
    #: the repository that it is in
    location: str = ""

    @property
    def interfaces(self) -> dict[int, ModelConfig]:
        """What requests and ensembles see of each version: its configuration as it is served."""
        return {r.version: r.handle.config for r in self.versions if r.handle is not None}

    @property
    def numbers(self) -> frozenset[int]:
        """The versions' numbers."""
        return frozenset(record.version for record in self.versions)


@dataclass
class ModelRecord:
    """One model. `operation` is held for the whole of a load or unload; the fields are read and
    written under the table's own lock, for moments only."""

    model: ModelId
    operation: threading.Lock = field(default_factory=threading.Lock)
    #: what the index shows, by version number
    versions: dict[int, VersionRecord] = field(default_factory=dict)
    #: why the last load of the model failed; "" when it did not
    failure: str = ""
    serving: Serving | None = None
    #: the models of an ensemble, while it serves
    composing: tuple[ModelId, ...] = ()
    #: loaded by its own name, not only for an ensemble (R-28)
    explicit: bool = False
    #: while it does not serve, requests wait until it is loaded
    on_demand: bool = False
    draining: list[Future[None]] = field(default_factory=list)
    #: no longer in the table; whoever waited for it looks the model up again
    forgotten: bool = False
    #: where the load is that goes on, else where the time of the last one went
    progress: LoadProgress | None = None

    @property
    def name(self) -> str:
        """Of the model."""
        return self.model.name

    def ready_handles(self) -> list[VersionHandle]:
        """The versions that requests may find, ascending."""
        records = (self.versions[version] for version in sorted(self.versions))
        return [r.handle for r in records if r.state is VersionState.READY and r.handle is not None]

    def not_ready(self) -> list[int]:
        """The versions that are known and cannot be served now, ascending."""
        return sorted(v for v, r in self.versions.items() if r.state is not VersionState.READY)

    @property
    def settled(self) -> bool:
        """Fine for strict readiness: no version is amiss, and there is one, or will be when it is
        asked for."""
        if self.serving is None and self.on_demand:
            return True
        if self.serving is None and self.failure:
            return False
        return bool(self.versions) and all(record.settled for record in self.versions.values())
