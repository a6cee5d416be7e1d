# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Errors of the `model.py` API (contract 5.1)."""

from __future__ import annotations

from penstock.errors import Code

from .text import Text, text_of


class TritonError:
    """Why one request failed; given to `InferenceResponse(error=...)`."""

    UNKNOWN = int(Code.UNKNOWN)
    INTERNAL = int(Code.INTERNAL)
    NOT_FOUND = int(Code.NOT_FOUND)
    INVALID_ARG = int(Code.INVALID_ARG)
    UNAVAILABLE = int(Code.UNAVAILABLE)
    UNSUPPORTED = int(Code.UNSUPPORTED)
    ALREADY_EXISTS = int(Code.ALREADY_EXISTS)
    CANCELLED = int(Code.CANCELLED)

    __slots__ = ("_code", "_message")

    def __init__(self, message: Text = "", code: int = Code.INTERNAL) -> None:
        self._message = text_of(message, "a TritonError's message")
        self._code = int(Code(code))

    def message(self) -> str:
        """The text that the client gets."""
        return self._message

    def code(self) -> int:
        """One of the class's constants."""
        return self._code

    def __str__(self) -> str:
        return self._message


class TritonModelException(Exception):
    """Raised to fail the call at hand; raised by this module for a wrong use of the API."""

    def message(self) -> str:
        """The text it was raised with."""
        return str(self)
