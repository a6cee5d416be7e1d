# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Reading a request body that is one JSON object, under bounds of size and depth (H-25, H-26)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp.web import BaseRequest

from penstock.errors import InvalidArgError
from penstock.frontends.http.body import read_body

_TOO_LARGE = (
    "request JSON size of {size} bytes exceeds the maximum allowed input size of {limit} bytes. "
    "Use --http-max-input-size to increase the limit."
)
_MAX_DEPTH = 100
_TOO_DEEP = f"JSON nesting depth exceeds maximum allowed limit ({_MAX_DEPTH})"


async def read_json_object(request: BaseRequest, max_bytes: int) -> dict[str, Any]:
    """The body as a JSON object; an empty one is {}. Raises InvalidArgError, BodyError."""
    body = await read_body(request, max_bytes, _TOO_LARGE)
    if not body:
        return {}
    try:
        value = json.loads(body)
    except RecursionError:
        raise InvalidArgError(_TOO_DEEP) from None
    except ValueError as error:
        raise InvalidArgError(f"failed to parse the request JSON buffer: {error}") from None
    if not isinstance(value, dict):
        raise InvalidArgError("the request JSON must be an object")
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    """H-26. Level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    if any(isinstance(value, dict | list) for value in level):
        raise InvalidArgError(_TOO_DEEP)
