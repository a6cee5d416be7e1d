# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The lines of the repository index (contract REP-1)."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.models.loading import DUPLICATE
from penstock.models.state import ModelRecord, VersionRecord, VersionState


@dataclass(frozen=True)
class IndexEntry:
    """One line of the repository index; a model never loaded has a name only (X-18)."""

    name: str
    version: int | None = None
    state: VersionState | None = None
    reason: str = ""


def describe(name: str, record: ModelRecord | None, *, duplicate: bool) -> list[IndexEntry]:
    """The lines of one model; `record` is None when it was never loaded."""
    if record is not None and record.versions:
        return [_entry(name, record, version) for _, version in sorted(record.versions.items())]
    failure = DUPLICATE if duplicate else record.failure if record is not None else ""
    if failure:
        return [IndexEntry(name, None, VersionState.UNAVAILABLE, failure)]
    return [IndexEntry(name)]


def _entry(name: str, record: ModelRecord, version: VersionRecord) -> IndexEntry:
    """One that is served is not, while its instances have been given up."""
    if version.state is VersionState.READY and version.handle and version.handle.refusal:
        refusal = version.handle.refusal
        return IndexEntry(name, version.version, VersionState.UNAVAILABLE, refusal)
    return IndexEntry(name, version.version, version.state, _reason(record, version))


def _reason(record: ModelRecord, version: VersionRecord) -> str:
    """A failed load left this version as it was: its reason is the news then."""
    return record.failure if version.settled and record.failure else version.reason
