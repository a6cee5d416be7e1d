# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Core error codes as HTTP statuses: a total table (contract 1.0)."""

from __future__ import annotations

import math

from penstock.errors import Code, ServerError

HTTP_STATUS: dict[Code, int] = {
    Code.UNKNOWN: 400,
    Code.INTERNAL: 500,
    Code.NOT_FOUND: 404,
    Code.INVALID_ARG: 400,
    Code.UNAVAILABLE: 503,
    Code.UNSUPPORTED: 501,
    Code.ALREADY_EXISTS: 400,
    Code.CANCELLED: 400,
    Code.DEADLINE_EXCEEDED: 504,
}


def retry_header(error: ServerError) -> tuple[tuple[str, str], ...]:
    """When the client may try again, in whole seconds, if that is known."""
    if error.retry_after_s <= 0:
        return ()
    return (("Retry-After", str(math.ceil(error.retry_after_s))),)
