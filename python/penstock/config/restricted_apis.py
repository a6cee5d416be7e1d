# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""--http-restricted-api and --grpc-restricted-protocol: who may use which part (1.14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

APIS = (
    "health",
    "metadata",
    "inference",
    "shared-memory",
    "model-config",
    "model-repository",
    "statistics",
    "trace",
    "logging",
)
#: What the metadata's keys begin with.
GRPC_PREFIX = "triton-grpc-protocol-"

#: The APIs of one group, its header and the value that the header must have.
Group = tuple[tuple[str, ...], str, str]


def parse_group(option: str) -> Callable[[str], Group]:
    """`<api>[,<api>...]:<key>=<value>`; raises ValueError."""

    def parse(value: str) -> Group:
        names, colon, header = value.partition(":")
        key, equals, secret = header.partition("=")
        if not (names and colon and key and equals):
            raise ValueError(f"--{option} option format is '<apis>:<key>=<value>'. Got {value}")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError(f"--{option}: '{key}' is no name of a header")
        apis = tuple(name.strip() for name in names.split(","))
        for api in apis:
            if api not in APIS:
                raise ValueError(f"unknown restricted api '{api}'")
        return apis, key, secret

    return parse


def restrictions(groups: Sequence[Group], prefix: str = "") -> Mapping[str, tuple[str, str]]:
    """Header and value by API. Raises ValueError for an API in two groups."""
    found: dict[str, tuple[str, str]] = {}
    for apis, key, secret in groups:
        for api in apis:
            if api in found:
                raise ValueError(
                    f"restricted api '{api}' can not be specified in multiple config groups"
                )
            found[api] = (prefix + key, secret)
    return found
