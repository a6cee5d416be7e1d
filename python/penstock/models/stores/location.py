# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Where a remote repository is, as --model-repository has it (contract 3.7). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.errors import InvalidArgError

_SCHEME = re.compile(r"(s3|gs|as)://")
#: s3://[http://|https://]host:port/bucket/path
_S3_HOST = re.compile(
    r"s3://(?P<protocol>https?://)?(?P<host>\[[0-9a-fA-F:]+\]|[\w.\-]+):(?P<port>\d+)"
)
_FORMS = {
    "s3": "s3://bucket/path, s3://host:port/bucket/path or s3://https://host:port/bucket/path",
    "gs": "gs://bucket/path",
    "as": "as://account/container/path",
}


@dataclass(frozen=True)
class Location:
    """A folder of an object store."""

    #: as it was given, without a slash at the end
    text: str
    scheme: str  # s3, gs or as
    bucket: str  # of Azure: the container
    prefix: str = ""  # without slashes around it
    endpoint: str = ""  # of S3: another server than Amazon's
    account: str = ""  # of Azure


def parse_location(text: str) -> Location | None:
    """None for a path on a disk. Raises InvalidArgError for a form that there is not."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    kind, rest, endpoint, account = scheme[1], text[scheme.end() :], "", ""
    host = _S3_HOST.match(text)
    if host:
        endpoint = f"{host['protocol'] or 'http://'}{host['host']}:{host['port']}"
        rest = text[host.end() :].lstrip("/")
    elif kind == "s3" and rest.startswith(("http://", "https://")):
        raise _malformed(text, kind)
    parts = [part for part in rest.split("/") if part]
    if kind == "as" and parts:
        account = parts.pop(0).removesuffix(".blob.core.windows.net")
    if not parts or {".", ".."} & set(parts) or "\0" in text:
        raise _malformed(text, kind)
    return Location(
        text.rstrip("/"), kind, parts[0], "/".join(parts[1:]), endpoint=endpoint, account=account
    )


def _malformed(text: str, kind: str) -> InvalidArgError:
    return InvalidArgError(f"model repository '{text}' does not have the form {_FORMS[kind]}")
