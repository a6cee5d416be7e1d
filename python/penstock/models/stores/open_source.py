# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Opens the remote repositories of a server: one cache, one store for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import InternalError
from penstock.models.stores.cache import ContentCache
from penstock.models.stores.cloud_source import CloudSource
from penstock.models.stores.credentials import find_credentials
from penstock.models.stores.location import Location, parse_location
from penstock.models.stores.objects import open_store

#: Where Triton puts the local copies of a store's models (contract 3.7).
_MOUNTS = {
    "s3": "TRITON_AWS_MOUNT_DIRECTORY",
    "gs": "TRITON_GCS_MOUNT_DIRECTORY",
    "as": "TRITON_AZURE_MOUNT_DIRECTORY",
}


@dataclass(frozen=True)
class StoreOptions:
    """What of the settings the stores need."""

    #: "": the directory of the environment, or the user's cache
    cache_directory: str = ""
    cache_bytes: int = 64 << 30
    timeout_s: float = 60.0
    ask_metadata: bool = False


class RemoteSources:
    """Opens sources, and closes what they share."""

    def __init__(self, options: StoreOptions, environment: Mapping[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._caches: dict[Path, ContentCache] = {}
        self._sources: list[CloudSource] = []

    def open(self, path: str) -> CloudSource | None:
        """None for a path on a disk. Raises ServerError; the store is not asked yet."""
        location = parse_location(path)
        if location is None:
            return None
        ask = self._options.ask_metadata
        config = find_credentials(location, self._environment, ask_metadata=ask)
        store = open_store(location, config, self._environment, timeout_s=self._options.timeout_s)
        self._sources.append(CloudSource(location, store, self._cache(location)))
        return self._sources[-1]

    def close(self) -> None:
        """Once no model is loaded any more."""
        for source in self._sources:
            source.close()
        for cache in self._caches.values():
            cache.close()

    def _cache(self, location: Location) -> ContentCache:
        root = self._root(location)
        if root not in self._caches:
            try:
                self._caches[root] = ContentCache(root, self._options.cache_bytes)
            except OSError as error:
                raise InternalError(
                    f"the model cache '{root}' cannot be used: {error.strerror}; name another "
                    "folder with --model-cache-directory"
                ) from None
        return self._caches[root]

    def _root(self, location: Location) -> Path:
        named = self._options.cache_directory or self._environment.get(_MOUNTS[location.scheme], "")
        if named:
            return Path(named).absolute()
        home = self._environment.get("HOME", "/tmp")  # noqa: S108 - where nobody has a home
        user = self._environment.get("XDG_CACHE_HOME") or f"{home}/.cache"
        return Path(user).absolute() / "penstock" / "models"
