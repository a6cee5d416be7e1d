# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Credentials of object stores (contract 3.7): from a file, the environment, or none.

The file of TRITON_CLOUD_CREDENTIAL_PATH comes first. A cloud's metadata address is asked only by
who is told to: it answers any process on the machine, and where there is no such address, a start
would hang on it.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.errors import InvalidArgError
from penstock.models.stores.location import Location

_FILE = "TRITON_CLOUD_CREDENTIAL_PATH"
#: What says that credentials come from elsewhere, and from where.
_AWS_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
#: The configuration of a store, as the library names its keys.
StoreConfig = dict[str, Any]


def find_credentials(
    location: Location, environment: Mapping[str, str], *, ask_metadata: bool = False
) -> StoreConfig:
    """What the store is opened with. Raises InvalidArgError naming the file or the profile."""
    if path := environment.get(_FILE):
        entry = _match(path, location)
        return {
            "s3": _s3_entry,
            "gs": _gs_entry,
            "as": _as_entry,
        }[location.scheme](entry, location, environment)
    if location.scheme == "s3":
        return _s3(environment, ask_metadata)
    if location.scheme == "gs":
        return _gs(environment.get("GOOGLE_APPLICATION_CREDENTIALS", ""), ask_metadata)
    return _as(
        environment.get("AZURE_STORAGE_ACCOUNT", location.account) or location.account,
        environment.get("AZURE_STORAGE_KEY", ""),
        environment.get("AZURE_STORAGE_AUTH_TYPE", ""),
        environment.get("AZURE_STORAGE_CLIENT_ID", ""),
        ask_metadata,
    )


# ---------------------------------------------------------------- the file


def _match(path: str, location: Location) -> Any:
    """The entry of the longest prefix of the location; "" is everybody's."""
    try:
        entries = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidArgError(f"failed to read {_FILE} '{path}': {error}") from None
    own = entries.get(location.scheme) if isinstance(entries, dict) else None
    if not isinstance(own, dict):
        own = {}
    matching = [prefix for prefix in own if location.text.startswith(prefix)]
    if not matching:
        raise InvalidArgError(f"Cannot match credential for path {location.text}")
    return own[max(matching, key=len)]


def _s3_entry(entry: Any, location: Location, environment: Mapping[str, str]) -> StoreConfig:
    fields = _fields(entry, location)
    if profile := fields.get("profile"):
        return _profile(profile, environment)
    if not fields.get("key_id"):
        return _s3_keys("", "", "", fields.get("region", ""))
    return _s3_keys(
        fields["key_id"],
        fields.get("secret_key", ""),
        fields.get("session_token", ""),
        fields.get("region", ""),
    )


def _gs_entry(entry: Any, location: Location, environment: Mapping[str, str]) -> StoreConfig:
    if not isinstance(entry, str):
        raise _malformed(location)
    return _gs(entry, False)


def _as_entry(entry: Any, location: Location, environment: Mapping[str, str]) -> StoreConfig:
    fields = _fields(entry, location)
    return _as(
        fields.get("account_str") or location.account,
        fields.get("account_key", ""),
        fields.get("auth_type", ""),
        fields.get("client_id", ""),
        False,
    )


def _fields(entry: Any, location: Location) -> dict[str, str]:
    if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
        raise _malformed(location)
    return entry


def _malformed(location: Location) -> InvalidArgError:
    return InvalidArgError(
        f"the entry of {_FILE} for '{location.text}' does not have the fields of "
        f"'{location.scheme}'"
    )


# ---------------------------------------------------------------- Amazon's


def _s3(environment: Mapping[str, str], ask_metadata: bool) -> StoreConfig:
    region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION") or ""
    if environment.get("AWS_ACCESS_KEY_ID"):
        return _s3_keys(
            environment["AWS_ACCESS_KEY_ID"],
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN", ""),
            region,
        )
    if profile := environment.get("AWS_PROFILE"):
        return _profile(profile, environment) | ({"region": region} if region else {})
    if any(environment.get(name) for name in _AWS_ROLES) or ask_metadata:
        return {"region": region} if region else {}
    found = _read_profile("default", environment)
    if found.get("aws_access_key_id"):
        return _profile("default", environment) | ({"region": region} if region else {})
    return _s3_keys("", "", "", region or found.get("region", ""))


def _s3_keys(key_id: str, secret: str, token: str, region: str) -> StoreConfig:
    """Without a key, requests are not signed: the bucket is public."""
    config: StoreConfig = {"region": region or "us-east-1"}
    if not key_id:
        return config | {"skip_signature": True}
    config |= {"access_key_id": key_id, "secret_access_key": secret}
    return config | ({"session_token": token} if token else {})


def _profile(name: str, environment: Mapping[str, str]) -> StoreConfig:
    found = _read_profile(name, environment)
    if not found.get("aws_access_key_id"):
        raise InvalidArgError(
            f"profile '{name}' of Amazon's configuration files has no aws_access_key_id: profiles "
            "with roles or single sign-on are not supported, export their keys instead"
        )
    return _s3_keys(
        found["aws_access_key_id"],
        found.get("aws_secret_access_key", ""),
        found.get("aws_session_token", ""),
        found.get("region", ""),
    )


def _read_profile(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    home = Path(environment.get("HOME", "/nonexistent")) / ".aws"
    found: dict[str, str] = {}
    for variable, default, section in (
        ("AWS_CONFIG_FILE", home / "config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", home / "credentials", name),
    ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(environment.get(variable) or default, "utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            text = str(error).partition("\n")[0]
            raise InvalidArgError(f"failed to read Amazon's configuration: {text}") from None
        if parser.has_section(section):
            found |= dict(parser.items(section))
    return found


# ---------------------------------------------------------------- Google's and Azure's


def _gs(path: str, ask_metadata: bool) -> StoreConfig:
    if path:
        if not Path(path).is_file():
            raise InvalidArgError(f"the credentials file '{path}' of Google Cloud is not there")
        return {"application_credentials": path}
    return {} if ask_metadata else {"skip_signature": True}


def _as(account: str, key: str, auth_type: str, client_id: str, ask_metadata: bool) -> StoreConfig:
    config: StoreConfig = {"account_name": account}
    if auth_type in {"managed_identity", "default"}:  # it says where to ask
        return config | ({"client_id": client_id} if client_id else {})
    if key:
        return config | {"access_key": key}
    return config if ask_metadata else config | {"skip_signature": True}
