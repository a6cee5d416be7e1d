# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The lines of the repository index (contract REP-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.models.identity import ModelId
from penstock.models.repository import DUPLICATE
from penstock.models.state import ModelRecord, VersionRecord, VersionState


@dataclass(frozen=True)
class IndexEntry:
    """One line of the repository index; a model never loaded has a name only (X-18)."""

    name: str
    version: int | None = None
    state: VersionState | None = None
    reason: str = ""
    #: where its load is, or where the time of the last one went (LoadProgress.snapshot)
    load: Mapping[str, Any] = field(default_factory=dict, compare=False)
    namespace: str = ""


def describe(
    model: ModelId, record: ModelRecord | None, *, duplicate: bool, waiting: str = ""
) -> list[IndexEntry]:
    """The lines of one model; `record` is None when it was never loaded.

    `waiting`: why a poll has not loaded it yet.
    """
    name, load = model.name, _load(record)
    if record is not None and record.versions:
        return [
            IndexEntry(
                name, number, _state(version), _reason(record, version), load, model.namespace
            )
            for number, version in sorted(record.versions.items())
        ]
    failure = DUPLICATE if duplicate else record.failure if record is not None else ""
    if failure := failure or waiting:
        return [IndexEntry(name, None, VersionState.UNAVAILABLE, failure, load, model.namespace)]
    if load.get("stage"):
        return [IndexEntry(name, None, VersionState.LOADING, "", load, model.namespace)]
    return [IndexEntry(name, namespace=model.namespace)]


def _load(record: ModelRecord | None) -> Mapping[str, Any]:
    if record is None or record.progress is None:
        return {}
    return record.progress.snapshot()


def _state(version: VersionRecord) -> VersionState:
    return VersionState.UNAVAILABLE if version.problem else version.state


def _reason(record: ModelRecord, version: VersionRecord) -> str:
    """A failed load left this version as it was: its reason is the news then."""
    if version.problem:
        return version.problem
    return record.failure if version.settled and record.failure else version.reason
