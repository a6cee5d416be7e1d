# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The server's log: the two line formats of contract 8.3, on the logger `penstock`.

INFO goes to stdout, WARNING and ERROR to stderr, or everything to one file. Messages are written
as JSON strings, so that no text from a client can forge a line (TRITON_SERVER_ESCAPE_LOG_MESSAGES=0
turns that off).
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

#: The logger that all of Penstock writes to.
LOGGER_NAME = "penstock"
FORMATS = ("default", "ISO8601")
#: A longer message is cut: one request cannot fill the disk.
MAX_MESSAGE_CHARS = 8192

_LETTERS = {logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "E"}


def verbose_level(level: int) -> int:
    """The `logging` level of verbose messages of `level` (1 is the least talkative)."""
    return max(1, logging.DEBUG - (level - 1))


@dataclass(frozen=True)
class LogSettings:
    """What is logged, and how; the options of the same names (contract 7, O-4..O-7)."""

    verbose: int = 0
    info: bool = True
    warning: bool = True
    error: bool = True
    format: str = "default"
    file: str = ""
    escape: bool = True


class LineFormatter(logging.Formatter):
    """`<L><MMDD> <hh:mm:ss.uuuuuu> <pid> <file>:<line>] <message>`, or ISO8601; times are UTC."""

    def __init__(self, style: str = "default", *, escape: bool = True) -> None:
        super().__init__()
        if style not in FORMATS:
            raise ValueError(f"invalid argument for --log-format, got: {style}")
        self._iso = style == "ISO8601"
        self._escape = escape

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, if there is one, becomes part of the message."""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        if len(message) > MAX_MESSAGE_CHARS:
            message = f"{message[:MAX_MESSAGE_CHARS]}..."
        if self._escape:
            message = json.dumps(message)
        letter = _LETTERS.get(record.levelno, "I")
        seconds = int(record.created)
        where = f"{record.process} {record.filename}:{record.lineno}]"
        if self._iso:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
            return f"{stamp} {letter} {where} {message}"
        stamp = time.strftime("%m%d %H:%M:%S", time.gmtime(seconds))
        micros = int((record.created - seconds) * 1_000_000)
        return f"{letter}{stamp}.{micros:06d} {where} {message}"


class _LevelFilter(logging.Filter):
    """Lets through the levels that the settings turn on."""

    def __init__(self, settings: LogSettings, wanted: Callable[[int], bool]) -> None:
        super().__init__()
        self._settings = settings
        self._wanted = wanted

    def filter(self, record: logging.LogRecord) -> bool:
        level = record.levelno
        if level >= logging.ERROR:
            enabled = self._settings.error
        elif level >= logging.WARNING:
            enabled = self._settings.warning
        elif level >= logging.INFO:
            enabled = self._settings.info
        else:
            enabled = True  # the logger's own level has already decided
        return enabled and self._wanted(level)


class _ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stdout or sys.stderr is at the time; a closed pipe is not an error."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            super().handleError(record)


def setup_logging(settings: LogSettings) -> None:
    """Points the logger `penstock` where the settings say. Raises OSError for an unusable file."""
    formatter = LineFormatter(settings.format, escape=settings.escape)
    handlers: list[logging.Handler] = []
    if settings.file:
        handlers.append(logging.FileHandler(Path(settings.file), mode="a", encoding="utf-8"))
        handlers[0].addFilter(_LevelFilter(settings, lambda level: True))
    else:
        for stream, wanted in (
            (sys.stdout, lambda level: level < logging.WARNING),
            (sys.stderr, lambda level: level >= logging.WARNING),
        ):
            console = _ConsoleHandler(stream)
            console.addFilter(_LevelFilter(settings, wanted))
            handlers.append(console)
    for handler in handlers:
        handler.setFormatter(formatter)
    _install(handlers)
    level = verbose_level(settings.verbose) if settings.verbose > 0 else logging.INFO
    logging.getLogger(LOGGER_NAME).setLevel(level)


def _install(handlers: list[logging.Handler]) -> None:
    """On `penstock`, and on the root: warnings of libraries and models take the same form."""
    logger = logging.getLogger(LOGGER_NAME)
    root = logging.getLogger()
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        logger.addHandler(handler)
        root.addHandler(handler)
    logger.propagate = False


def log_block(text: str) -> None:
    """A table: raw to the INFO place, since escaping would make one long line of it."""
    logger = logging.getLogger(LOGGER_NAME)
    if not logger.isEnabledFor(logging.INFO):
        return
    for handler in logger.handlers:
        record = logger.makeRecord(LOGGER_NAME, logging.INFO, __file__, 0, "", (), None)
        if isinstance(handler, logging.StreamHandler) and handler.filter(record):
            handler.acquire()
            try:
                handler.stream.write(text)
                handler.flush()
            finally:
                handler.release()
