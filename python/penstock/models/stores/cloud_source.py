# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A repository in an object store: models are fetched to a folder before they are loaded."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from penstock.config.model_config import MAX_CONFIG_BYTES, ParsedConfig, parse_pbtxt
from penstock.errors import InternalError, InvalidArgError, NotFoundError, UnavailableError
from penstock.models.files import ModelFiles
from penstock.models.identity import is_model_name
from penstock.models.layout import config_names, is_version
from penstock.models.source import OnProgress
from penstock.models.stores.cache import ContentCache
from penstock.models.stores.download import Downloader
from penstock.models.stores.location import Location
from penstock.models.stores.objects import ObjectStore, StoredObject
from penstock.models.tree import Stamp, Tree

_LOG = logging.getLogger("penstock.models")

#: A listing of the whole repository stands for its models so long.
_LISTING_S = 2.0
#: Fetches of a model that changes while it is fetched.
_ATTEMPTS = 3


class CloudSource:
    """Thread safe. The cache is the server's, the store is this repository's."""

    def __init__(self, location: Location, store: ObjectStore, cache: ContentCache) -> None:
        self._location = location
        self._store = store
        self._cache = cache
        self._downloader = Downloader(store, cache, location.text)
        self._lock = threading.Lock()
        self._listing: dict[str, list[StoredObject]] = {}
        self._listed_at = float("-inf")

    @property
    def location(self) -> str:
        """As it was given."""
        return self._location.text

    def names(self, *, fresh: bool = True) -> frozenset[str]:
        """The folders. Raises UnavailableError; what was known stays known."""
        if fresh:
            listing: dict[str, list[StoredObject]] = {}
            for one in self._list(""):
                name, _, below = one.key.partition("/")
                if below and is_model_name(name) and not name.startswith("."):
                    listing.setdefault(name, []).append(one)
            with self._lock:
                self._listing, self._listed_at = listing, time.monotonic()
        with self._lock:
            return frozenset(self._listing)

    def has(self, name: str) -> bool:
        """Whether there is an object below the name."""
        if not is_model_name(name) or name.startswith("."):
            return False
        return bool(self._objects(name))

    def look(self, name: str) -> Tree:
        """From a listing that is no older than the call of names() before it."""
        return _tree(name, self._objects(name))

    def read_config(self, name: str, config_name: str) -> ParsedConfig | None:
        """Reads that one object. Raises UnavailableError, InvalidArgError."""
        objects = {one.key: one for one in self._objects(name)}
        for path in config_names(config_name):
            one = objects.get(f"{name}/{path}")
            if one is not None and one.size <= MAX_CONFIG_BYTES:
                data = self._store.read(one.key, one.etag, 0, one.size) if one.size else b""
                return parse_pbtxt(data.decode("utf-8", "replace"), f"{self.location}/{one.key}")
        return None

    def open(self, name: str, progress: OnProgress) -> ModelFiles:
        """Fetches what the cache lacks. All files are of one time: if the model changes meanwhile,
        it is fetched again. Raises ServerError; nothing is left then but the cache."""
        for _ in range(_ATTEMPTS):
            objects = self._list(f"{name}/")
            if not objects:
                raise NotFoundError("no model repository has the model")
            tree = _tree(name, objects)
            files = [one for one in objects if one.key.removeprefix(f"{name}/") in tree.files]
            shown = _Shown(f"{self.location}/{name}", progress)
            paths = self._downloader.fetch(files, shown)
            if not _tree(name, self._list(f"{name}/")).changes_since(tree):
                shown.done()
                return self._folder(name, tree, files, paths)
            _LOG.info("model '%s' of '%s' changed while it was fetched", name, self.location)
        raise UnavailableError(
            f"model '{name}' of model repository '{self.location}' changes while it is fetched"
        )

    def close(self) -> None:
        """Waits for what is being fetched."""
        self._downloader.close()

    def _objects(self, name: str) -> list[StoredObject]:
        with self._lock:
            if time.monotonic() - self._listed_at < _LISTING_S and name in self._listing:
                return self._listing[name]
        return self._list(f"{name}/")

    def _list(self, prefix: str) -> list[StoredObject]:
        found = self._store.list(prefix)
        for one in found:
            if {"", ".", ".."} & set(one.key.rstrip("/").split("/")) or "\0" in one.key:
                raise UnavailableError(
                    f"model repository '{self.location}' lists an object that is no file: "
                    f"{one.key[:200]!r}"
                )
        return found

    def _folder(
        self, name: str, tree: Tree, files: Iterable[StoredObject], paths: Iterable[Path]
    ) -> ModelFiles:
        try:
            root = self._cache.new_folder()
            model_dir = root / name
            model_dir.mkdir()
            for folder in sorted(tree.folders):
                (model_dir / folder).mkdir(parents=True, exist_ok=True)
            for one, content in zip(files, paths, strict=True):
                os.link(content, root / PurePosixPath(one.key))
        except OSError as error:
            raise InternalError(
                f"failed to make a folder for model '{name}' in the model cache: {error.strerror}"
            ) from None
        return ModelFiles(model_dir, tree, lambda: self._cache.remove_folder(root))


def _tree(name: str, objects: Iterable[StoredObject]) -> Tree:
    """Objects that stand for folders, which some tools make, are folders."""
    relative = {one.key.removeprefix(f"{name}/"): one for one in objects}
    folders = {str(parent) for path in relative for parent in PurePosixPath(path).parents} - {"."}
    files: dict[str, Stamp] = {}
    for path, one in relative.items():
        marker = path.endswith("/") or path in folders or is_version(path)
        if one.size == 0 and marker:
            folders.add(path.rstrip("/"))
        elif path in folders:
            raise InvalidArgError(f"'{one.key}' is both a file and a folder")
        else:
            files[path] = Stamp(one.size, one.modified_ns, etag=one.etag)
    return Tree(files, frozenset(folders))


class _Shown:
    """Progress for the life cycle, and a line in the log now and then."""

    _EVERY_S = 5.0

    def __init__(self, what: str, progress: OnProgress) -> None:
        self._what = what
        self._progress = progress
        self._began = self._last = time.monotonic()
        self._total = 0

    def __call__(self, done: int, total: int) -> None:
        self._progress(done, total)
        self._total = total
        now = time.monotonic()
        if now - self._last >= self._EVERY_S:
            self._last = now
            share = 100 * done / total if total else 100
            rate = done / (now - self._began) / 1e6
            text = "fetching '%s': %.0f %% of %.1f MB, %.1f MB/s"
            _LOG.info(text, self._what, share, total / 1e6, rate)

    def done(self) -> None:
        seconds = time.monotonic() - self._began
        _LOG.info("fetched '%s': %.1f MB in %.2f s", self._what, self._total / 1e6, seconds)
