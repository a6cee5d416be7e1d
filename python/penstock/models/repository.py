# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""All model repositories of a server as one: which models there are, and where (R-1, R-2, R-4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.errors import InternalError, NotFoundError, ServerError, UnavailableError
from penstock.models.identity import ModelId
from penstock.models.local_source import LocalSource
from penstock.models.source import Source
from penstock.models.tree import Tree

_LOG = logging.getLogger("penstock.models")

#: Reason of a model that several repositories have (R-2).
DUPLICATE = "model appears in two or more repositories"


@dataclass(frozen=True)
class Look:
    """What all repositories had at one time."""

    trees: Mapping[ModelId, Tree] = field(default_factory=dict)
    #: models that are there and cannot be read now, and why
    unreadable: Mapping[ModelId, str] = field(default_factory=dict)
    #: names that several repositories have (R-2)
    duplicates: frozenset[str] = frozenset()
    #: repositories that could not be listed, or whose listing cannot be believed, and why
    failed: Mapping[str, str] = field(default_factory=dict)


class Repository:
    """Keeps nothing but its sources. Thread safe; may block."""

    def __init__(self, sources: Sequence[Source], *, namespacing: bool = False) -> None:
        self._sources = {source.location: source for source in sources}
        self._namespacing = namespacing

    @property
    def locations(self) -> tuple[str, ...]:
        """Of all sources."""
        return tuple(self._sources)

    def known(self) -> dict[ModelId, bool]:
        """The models that are there, as far as it is known at once; True: a duplicate (R-2)."""
        found: dict[ModelId, bool] = {}
        for location, source in self._sources.items():
            for name in source.names(fresh=False):
                model = self._id(name, location)
                found[model] = model in found
        return found

    def names(self) -> tuple[frozenset[ModelId], dict[str, str]]:
        """The models that are there now, and why a repository could not be listed."""
        found: set[ModelId] = set()
        failed: dict[str, str] = {}
        for location, source in self._sources.items():
            try:
                found |= {self._id(name, location) for name in source.names()}
            except ServerError as error:
                failed[location] = error.message
        return frozenset(found), failed

    def look(self, serving: Mapping[ModelId, str]) -> Look:
        """All models as they are now. `serving`: where those came from that are loaded.

        A repository that fails, or that is in a store and lists nothing while models of it are
        loaded, is reported as failed, and nothing is said of its models.
        """
        trees: dict[ModelId, Tree] = {}
        unreadable: dict[ModelId, str] = {}
        failed: dict[str, str] = {}
        listed: dict[ModelId, list[Source]] = {}
        for location, source in self._sources.items():
            try:
                names = source.names()
            except ServerError as error:
                _LOG.error("%s; what is loaded of it stays", error.message)
                failed[location] = error.message
                continue
            for name in names:
                listed.setdefault(self._id(name, location), []).append(source)
            if not names and not isinstance(source, LocalSource) and location in serving.values():
                _LOG.error(
                    "model repository '%s' lists no models at all; what is loaded of it stays",
                    location,
                )
                failed[location] = "it lists no models at all"
        for model, sources in listed.items():
            if len(sources) > 1:
                continue
            try:
                trees[model] = sources[0].look(model.name)
            except ServerError as error:
                unreadable[model] = error.message
        duplicates = frozenset(model.name for model, found in listed.items() if len(found) > 1)
        return Look(trees, unreadable, duplicates, failed)

    def sources(self, model: ModelId) -> list[Source]:
        """Where the model is: nowhere, at one place, or at several when it is not unique.

        Raises UnavailableError when that cannot be said.
        """
        return [source for source in self._candidates(model) if source.has(model.name)]

    def source(self, model: ModelId) -> Source:
        """Where the model is. Raises ServerError when it is nowhere, or not unique."""
        found = self.sources(model)
        if not found:
            raise NotFoundError("no model repository has the model")
        if len(found) > 1:
            _LOG.error(
                "failed to poll model '%s': not unique across all model repositories", model.name
            )
            raise InternalError(DUPLICATE)
        return found[0]

    def has(self, model: ModelId) -> bool:
        """Whether the model is somewhere; one that cannot be looked for is believed to be."""
        try:
            return bool(self.sources(model))
        except UnavailableError:
            return True

    def identify(self, name: str) -> list[ModelId]:
        """The models of that name: with namespaces there may be several (R-4)."""
        if not self._namespacing:
            return [ModelId(name)]
        found = []
        for location, source in self._sources.items():
            try:
                if source.has(name):
                    found.append(ModelId(name, location))
            except UnavailableError as error:
                _LOG.error("%s", error.message)
        return found

    def _candidates(self, model: ModelId) -> list[Source]:
        if not model.namespace:
            return list(self._sources.values())
        source = self._sources.get(model.namespace)
        return [source] if source is not None else []

    def _id(self, name: str, location: str) -> ModelId:
        return ModelId(name, location if self._namespacing else "")


def open_repository(
    paths: Sequence[str],
    open_remote: Callable[[str], Source | None] = lambda path: None,
    *,
    namespacing: bool = False,
) -> Repository:
    """The repositories of --model-repository. `open_remote` makes the source of a remote location,
    and has None for a path. Raises InvalidArgError, UnsupportedError."""
    sources = [open_remote(path) or LocalSource(path) for path in dict.fromkeys(paths)]
    return Repository(sources, namespacing=namespacing)
