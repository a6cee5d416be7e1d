# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The log settings as clients see and change them (contract 1.12, H-12, G-20)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from penstock.errors import InvalidArgError, UnsupportedError
from penstock.telemetry.logging import FORMATS, ServerLog

LogValue: TypeAlias = bool | int | str

#: The names of the protocol and of LogSettings' fields, in the order of the reply.
_FIELDS = {
    "log_file": "file",
    "log_info": "info",
    "log_warning": "warning",
    "log_error": "error",
    "log_verbose_level": "verbose",
    "log_format": "format",
}
_EXPECTED = {
    "log_info": "boolean",
    "log_warning": "boolean",
    "log_error": "boolean",
    "log_verbose_level": "int32",
    "log_format": "string",
}
_MAX_LEVEL = 2**31 - 1


class LogControl:
    """One server's. All methods belong to one event loop."""

    def __init__(self, log: ServerLog) -> None:
        self._log = log

    def read(self) -> dict[str, LogValue]:
        """All six fields."""
        settings = self._log.settings
        return {name: getattr(settings, field) for name, field in _FIELDS.items()}

    def update(self, changes: Mapping[str, LogValue]) -> dict[str, LogValue]:
        """All of the changes or, when one cannot be, none. Returns read().

        Raises UnsupportedError for the file, InvalidArgError for a value or an unknown name.
        """
        for name, value in changes.items():
            _check(name, value)
        fields: dict[str, Any] = {_FIELDS[name]: value for name, value in changes.items()}
        self._log.change(replace(self._log.settings, **fields))
        return self.read()


def _check(name: str, value: LogValue) -> None:
    if name == "log_file":
        raise UnsupportedError("log file location can not be updated through network protocol")
    if name not in _EXPECTED:
        raise InvalidArgError(f"unknown log setting '{name}'")
    expected = _EXPECTED[name]
    if expected == "boolean":
        valid = isinstance(value, bool)
    elif expected == "string":
        valid = isinstance(value, str)
    else:
        valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_LEVEL
    if not valid:
        raise InvalidArgError(f"expect {expected} for '{name}'")
    if name == "log_format" and value not in FORMATS:
        raise InvalidArgError(f"invalid argument for log_format, got: {value}")
