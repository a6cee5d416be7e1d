# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A call's metadata, where it is not the protocol's own (1.14, 1.15, G-32, T-22)."""

from __future__ import annotations

from grpc import StatusCode

from penstock.frontends.grpc.context import Context
from penstock.frontends.header_policy import HeaderPolicy


def _texts(context: Context) -> list[tuple[str, str]]:
    metadata = context.invocation_metadata() or ()
    return [(name, value) for name, value in metadata if isinstance(value, str)]


async def check_restricted(policy: HeaderPolicy, api: str, context: Context) -> None:
    """Ends the call unless it may use the API."""
    if api in policy.restricted and (missing := policy.missing(api, dict(_texts(context)).get)):
        await context.abort(
            StatusCode.UNAVAILABLE, f"This protocol is restricted, expecting header '{missing}'"
        )


def of_metadata(policy: HeaderPolicy, context: Context) -> tuple[list[tuple[str, str]], str]:
    """Parameters of the request, and its trace context. Raises InvalidArgError."""
    if not policy.looks_at_inference:
        return [], ""
    metadata = _texts(context)
    return policy.parameters(metadata), policy.context(metadata)
