# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The one hierarchy of errors: the protocol's eight codes (contract 1.0), and one of ours.

Nothing here knows HTTP or gRPC: each frontend owns a total table from `Code` to its status.
"""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    """Core error codes; the numbers are those of Triton's C API and of csrc's `Code`."""

    UNKNOWN = 0
    INTERNAL = 1
    NOT_FOUND = 2
    INVALID_ARG = 3
    UNAVAILABLE = 4
    UNSUPPORTED = 5
    ALREADY_EXISTS = 6
    CANCELLED = 7
    DEADLINE_EXCEEDED = 8


class ServerError(Exception):
    """A failure that a client may see: a code and the text, passed through unchanged."""

    code: Code = Code.UNKNOWN
    #: when the client may hope for more luck; 0: that is not known
    retry_after_s: float = 0.0

    def __init__(self, message: str, code: Code | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = Code(code)


class InternalError(ServerError):
    """The server's or a model's own fault."""

    code = Code.INTERNAL


class NotFoundError(ServerError):
    """What was named does not exist."""

    code = Code.NOT_FOUND


class InvalidArgError(ServerError):
    """The client's mistake."""

    code = Code.INVALID_ARG


class UnavailableError(ServerError):
    """Not now: not ready, full, or stopping."""

    code = Code.UNAVAILABLE


class UnsupportedError(ServerError):
    """Not here: the server or the model cannot do that."""

    code = Code.UNSUPPORTED


class AlreadyExistsError(ServerError):
    """The name is taken."""

    code = Code.ALREADY_EXISTS


class CancelledError(ServerError):
    """The client went away or said stop."""

    code = Code.CANCELLED


class DeadlineExceededError(ServerError):
    """The client's deadline has passed."""

    code = Code.DEADLINE_EXCEEDED


_BY_CODE: dict[Code, type[ServerError]] = {
    cls.code: cls
    for cls in (
        InternalError,
        NotFoundError,
        InvalidArgError,
        UnavailableError,
        UnsupportedError,
        AlreadyExistsError,
        CancelledError,
        DeadlineExceededError,
    )
}


def error_from_code(code: int, message: str, retry_after_s: float = 0.0) -> ServerError:
    """The exception for a core code; what the engine binding raises for a failed Status."""
    error = _BY_CODE.get(Code(code), ServerError)(message, Code(code))
    if retry_after_s > 0:
        error.retry_after_s = retry_after_s
    return error
