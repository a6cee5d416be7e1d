# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Core error codes as gRPC statuses: a total table (contract 1.0)."""

from __future__ import annotations

import math

from grpc import StatusCode

from penstock.errors import Code, ServerError

GRPC_STATUS: dict[Code, StatusCode] = {
    Code.UNKNOWN: StatusCode.UNKNOWN,
    Code.INTERNAL: StatusCode.INTERNAL,
    Code.NOT_FOUND: StatusCode.NOT_FOUND,
    Code.INVALID_ARG: StatusCode.INVALID_ARGUMENT,
    Code.UNAVAILABLE: StatusCode.UNAVAILABLE,
    Code.UNSUPPORTED: StatusCode.UNIMPLEMENTED,
    Code.ALREADY_EXISTS: StatusCode.ALREADY_EXISTS,
    Code.CANCELLED: StatusCode.CANCELLED,
    Code.DEADLINE_EXCEEDED: StatusCode.DEADLINE_EXCEEDED,
}


def retry_metadata(error: ServerError) -> tuple[tuple[str, str], ...]:
    """By gRPC's rules of retries: when the client may try again, if that is known."""
    if error.retry_after_s <= 0:
        return ()
    return (("grpc-retry-pushback-ms", str(math.ceil(error.retry_after_s * 1e3))),)
