# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Locations and credentials of remote repositories (contract 3.7)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from penstock.errors import InvalidArgError
from penstock.models.stores.credentials import find_credentials
from penstock.models.stores.location import Location, parse_location


def located(text: str) -> Location:
    location = parse_location(text)
    assert location is not None
    return location


@pytest.mark.parametrize(
    ("text", "bucket", "prefix", "endpoint", "account"),
    [
        ("s3://bucket", "bucket", "", "", ""),
        ("s3://bucket/a/b/", "bucket", "a/b", "", ""),
        ("s3://host:9000/bucket/a", "bucket", "a", "http://host:9000", ""),
        ("s3://http://host:9000/bucket/a", "bucket", "a", "http://host:9000", ""),
        ("s3://https://10.0.0.1:443/bucket", "bucket", "", "https://10.0.0.1:443", ""),
        ("s3://[::1]:9000/bucket//a", "bucket", "a", "http://[::1]:9000", ""),
        ("gs://bucket/a", "bucket", "a", "", ""),
        ("as://account/container/a", "container", "a", "", "account"),
        ("as://account.blob.core.windows.net/container", "container", "", "", "account"),
    ],
)
def test_forms(text: str, bucket: str, prefix: str, endpoint: str, account: str) -> None:
    location = located(text)
    assert (location.bucket, location.prefix) == (bucket, prefix)
    assert (location.endpoint, location.account) == (endpoint, account)


@pytest.mark.parametrize("text", ["/models", "models", "file:///models", "S3://bucket"])
def test_paths_are_no_locations(text: str) -> None:
    assert parse_location(text) is None


@pytest.mark.parametrize(
    "text", ["s3://", "gs:///", "as://account", "s3://b/../c", "s3://https://host/bucket", "gs://."]
)
def test_malformed_locations_name_the_form(text: str) -> None:
    with pytest.raises(InvalidArgError, match="does not have the form"):
        parse_location(text)


# ---------------------------------------------------------------- credentials

KEYS = {"access_key_id": "k", "secret_access_key": "s", "region": "us-east-1"}
S3 = located("s3://bucket/models")


def test_amazons_environment() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    assert find_credentials(S3, environment) == KEYS
    more = environment | {"AWS_SESSION_TOKEN": "t", "AWS_DEFAULT_REGION": "eu"}
    assert find_credentials(S3, more) == KEYS | {"session_token": "t", "region": "eu"}


def test_nobody_is_asked_who_was_not_named() -> None:
    """Without credentials requests are not signed; the metadata address is asked on demand."""
    for text in ("s3://b", "gs://b", "as://a/c"):
        assert find_credentials(located(text), {})["skip_signature"] is True
        assert "skip_signature" not in find_credentials(located(text), {}, ask_metadata=True)
    roles = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}
    assert "skip_signature" not in find_credentials(S3, roles)


def test_amazons_files(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id=d\naws_secret_access_key=e\n"
        "[p]\naws_access_key_id=k\naws_secret_access_key=s\n"
    )
    (tmp_path / ".aws" / "config").write_text(
        "[profile p]\nregion=eu\n[profile role]\nrole_arn=x\n"
    )
    home = {"HOME": str(tmp_path)}
    assert find_credentials(S3, home)["access_key_id"] == "d"
    assert find_credentials(S3, home | {"AWS_PROFILE": "p"}) == KEYS | {"region": "eu"}
    with pytest.raises(InvalidArgError, match="profile 'role' .* has no aws_access_key_id"):
        find_credentials(S3, home | {"AWS_PROFILE": "role"})


def test_google_and_azure(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text("{}")
    google = located("gs://bucket")
    named = {"GOOGLE_APPLICATION_CREDENTIALS": str(key)}
    assert find_credentials(google, named) == {"application_credentials": str(key)}
    with pytest.raises(InvalidArgError, match="is not there"):
        find_credentials(google, {"GOOGLE_APPLICATION_CREDENTIALS": "/none"})
    azure = located("as://account/container")
    assert find_credentials(azure, {"AZURE_STORAGE_KEY": "k"}) == {
        "account_name": "account",
        "access_key": "k",
    }
    managed = {"AZURE_STORAGE_AUTH_TYPE": "managed_identity", "AZURE_STORAGE_CLIENT_ID": "i"}
    assert find_credentials(azure, managed) == {"account_name": "account", "client_id": "i"}


def test_the_file_of_credentials(tmp_path: Path) -> None:
    """The longest prefix wins, and "" is everybody's."""
    path = tmp_path / "credentials.json"
    key = {"key_id": "k", "secret_key": "s"}
    path.write_text(
        json.dumps(
            {
                "s3": {"": {"key_id": "all", "secret_key": "s"}, "s3://bucket/models": key},
                "as": {"as://a": {"account_str": "b", "account_key": "k"}},
                "gs": {"gs://x": 7},
            }
        )
    )
    environment = {"TRITON_CLOUD_CREDENTIAL_PATH": str(path), "AWS_ACCESS_KEY_ID": "ignored"}
    assert find_credentials(S3, environment) == KEYS
    assert find_credentials(located("s3://other"), environment)["access_key_id"] == "all"
    azure = find_credentials(located("as://a/c"), environment)
    assert azure == {"account_name": "b", "access_key": "k"}
    with pytest.raises(InvalidArgError) as caught:
        find_credentials(located("gs://bucket/x"), environment)
    assert caught.value.message == "Cannot match credential for path gs://bucket/x"
    with pytest.raises(InvalidArgError, match="does not have the fields"):
        find_credentials(located("gs://x"), environment)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]"])
def test_a_bad_file_of_credentials(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(text)
    with pytest.raises(InvalidArgError):
        find_credentials(S3, {"TRITON_CLOUD_CREDENTIAL_PATH": str(path)})
