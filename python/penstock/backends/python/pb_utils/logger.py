# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`Logger` of the `model.py` API: lines of the server's log, with the model's file and line."""

from __future__ import annotations

import enum
import logging
from typing import Final

from .text import Text

_LOGGER: Final = logging.getLogger("penstock.backends.python.model")


def _line(message: Text) -> object:
    return message.decode(errors="replace") if isinstance(message, bytes) else message


class Logger:
    """Static methods; usable anywhere in a model."""

    class LogLevel(enum.IntEnum):
        """Levels of `log`; the values are those of `logging`."""

        INFO = logging.INFO
        WARNING = logging.WARNING
        ERROR = logging.ERROR
        VERBOSE = logging.DEBUG

    INFO: Final = LogLevel.INFO
    WARNING: Final = LogLevel.WARNING
    ERROR: Final = LogLevel.ERROR
    VERBOSE: Final = LogLevel.VERBOSE

    @staticmethod
    def log(message: Text, level: LogLevel = LogLevel.INFO) -> None:
        """Write a line of the given level."""
        _LOGGER.log(level, "%s", _line(message), stacklevel=2)

    @staticmethod
    def log_info(message: Text) -> None:
        """Write an information."""
        _LOGGER.info("%s", _line(message), stacklevel=2)

    @staticmethod
    def log_warn(message: Text) -> None:
        """Write a warning."""
        _LOGGER.warning("%s", _line(message), stacklevel=2)

    @staticmethod
    def log_error(message: Text) -> None:
        """Write an error."""
        _LOGGER.error("%s", _line(message), stacklevel=2)

    @staticmethod
    def log_verbose(message: Text) -> None:
        """Write a line that shows only with --log-verbose."""
        _LOGGER.debug("%s", _line(message), stacklevel=2)
