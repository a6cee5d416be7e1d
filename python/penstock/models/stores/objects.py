# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The little that is asked of an object store, and how obstore gives it.

Every call ends: it has a time-out and a bounded number of attempts. What fails is an
UnavailableError that names the place and the reason, and never a credential.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from penstock.errors import InvalidArgError, NotFoundError, UnavailableError, UnsupportedError
from penstock.models.stores.credentials import StoreConfig
from penstock.models.stores.location import Location

#: Objects of a repository; a store that lists more for ever is not believed.
_MAX_OBJECTS = 1_000_000
_MAX_REASON_CHARS = 300


@dataclass(frozen=True)
class StoredObject:
    """One object: its key below the repository, and what changes when its content does."""

    key: str
    size: int
    etag: str
    modified_ns: int


class ObjectStore(Protocol):
    """A folder of a store; keys are relative to it. Thread safe; blocks for a bounded time."""

    def list(self, prefix: str) -> list[StoredObject]:
        """All objects below, at any depth. Raises UnavailableError."""

    def read(self, key: str, etag: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of the object, if it still has this entity tag.

        Raises NotFoundError, UnavailableError: all of them, or none.
        """


class ObstoreStore:
    """Through the library obstore."""

    def __init__(self, location: Location, store: Any) -> None:
        """`store`: one of obstore's, already below the location's prefix."""
        import obstore

        self._obstore = obstore
        self._location = location
        self._store = store

    def list(self, prefix: str) -> list[StoredObject]:
        """Page after page."""
        found: list[StoredObject] = []
        with self._errors("list", prefix):
            for page in self._obstore.list(self._store, prefix or None, chunk_size=1000):
                found += [
                    StoredObject(
                        entry["path"],
                        entry["size"],
                        _entity_tag(entry.get("e_tag")),
                        int(entry["last_modified"].timestamp() * 1e9),
                    )
                    for entry in page
                ]
                if len(found) > _MAX_OBJECTS:
                    raise UnavailableError(
                        f"model repository '{self._location.text}' lists more than {_MAX_OBJECTS} "
                        "objects"
                    )
        return found

    def read(self, key: str, etag: str, start: int, end: int) -> bytes:
        """One ranged request."""
        options: dict[str, Any] = {"range": (start, end)} if end > start else {}
        if etag:
            options["if_match"] = etag
        with self._errors("read", key):
            result = self._obstore.get(self._store, key, options=options)
            data = bytes(result.bytes())
            now = _entity_tag(result.meta.get("e_tag"))
        if etag and now and now != etag:
            raise UnavailableError(self._text("read", key, "it has changed meanwhile"))
        if len(data) != end - start:
            reason = f"{len(data)} bytes came instead of {end - start}"
            raise UnavailableError(self._text("read", key, reason))
        return data

    @contextmanager
    def _errors(self, what: str, key: str) -> Iterator[None]:
        errors = self._obstore.exceptions
        try:
            yield
        except (FileNotFoundError, errors.NotFoundError):
            raise NotFoundError(self._text(what, key, "it is not there (404)")) from None
        except errors.PreconditionError:
            raise UnavailableError(self._text(what, key, "it has changed meanwhile")) from None
        except (
            errors.PermissionDeniedError,
            errors.UnauthenticatedError,
            PermissionError,
        ) as error:
            reason = f"access is denied, check the credentials: {_reason(error)}"
            raise UnavailableError(self._text(what, key, reason)) from None
        except (errors.BaseError, OSError, ValueError) as error:
            raise UnavailableError(self._text(what, key, _reason(error))) from None

    def _text(self, what: str, key: str, reason: str) -> str:
        place = f"'{key}' of model repository" if key else "model repository"
        return f"failed to {what} {place} '{self._location.text}': {reason}"


def _entity_tag(text: str | None) -> str:
    """As header fields have it (RFC 9110, 8.8.3); listings of Azure leave its quotes out."""
    return f'"{text}"' if text and not text.endswith('"') else text or ""


def _reason(error: BaseException) -> str:
    """The library's errors are pages of text: the innermost cause tells."""
    text = str(error).partition("\n\nDebug source:")[0].partition("\nDebug source:")[0]
    text = " ".join(text.split())
    text = re.sub(r"\bhttps?://[^\s)]+\?[^\s)]*", "<url>", text)  # a signature may be in a query
    if "timed out" in text or "operation timed out" in repr(error):
        text = f"no answer within the time-out (--model-store-timeout-secs): {text}"
    return text if len(text) <= _MAX_REASON_CHARS else text[:_MAX_REASON_CHARS] + "..."


def open_store(
    location: Location,
    config: StoreConfig,
    environment: Mapping[str, str],
    *,
    timeout_s: float,
    retries: int = 3,
) -> ObjectStore:
    """Nothing is asked yet. Raises UnsupportedError without obstore, InvalidArgError."""
    try:
        from obstore import store as stores
    except ImportError:
        raise UnsupportedError(
            f"{location.scheme}:// file-system not supported. To enable, install 'penstock[cloud]'."
        ) from None
    common: dict[str, Any] = {
        "prefix": location.prefix or None,
        "client_options": {
            "timeout": timedelta(seconds=timeout_s),
            "connect_timeout": timedelta(seconds=min(5.0, timeout_s)),
        },
        "retry_config": {
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=timeout_s),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        },
    }
    open_one: dict[str, Callable[..., Any]] = {
        "s3": stores.S3Store,
        "gs": stores.GCSStore,
        "as": stores.AzureStore,
    }
    merged = {**config, **_endpoint(location, environment)}
    if str(merged.get("endpoint") or merged.get("base_url") or "").startswith("http://"):
        common["client_options"]["allow_http"] = True
    try:
        store = open_one[location.scheme](location.bucket, **common, **merged)
    except Exception as error:  # of the library's many
        raise InvalidArgError(
            f"model repository '{location.text}' cannot be opened: {_reason(error)}"
        ) from None
    return ObstoreStore(location, store)


def _endpoint(location: Location, environment: Mapping[str, str]) -> StoreConfig:
    """Another server than the cloud's own: the location's, or the clouds' usual variables."""
    if location.scheme == "s3":
        endpoint = location.endpoint or environment.get("AWS_ENDPOINT_URL", "")
        return {"endpoint": endpoint, "virtual_hosted_style_request": False} if endpoint else {}
    if location.scheme == "gs":
        emulator = environment.get("STORAGE_EMULATOR_HOST", "")
        if not emulator:
            return {}
        return {"base_url": emulator if "://" in emulator else f"http://{emulator}"}
    endpoint = environment.get("AZURE_STORAGE_ENDPOINT", "")
    return {"endpoint": endpoint} if endpoint else {}
