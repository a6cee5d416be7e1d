# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The server's log: the line formats of contract 8.3 and our own `json`, on the logger `penstock`.

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
FORMATS = ("default", "ISO8601", "json")
#: A longer message is cut: one request cannot fill the disk.
MAX_MESSAGE_CHARS = 8192

_ISO = "%Y-%m-%dT%H:%M:%S"
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
    """`<L><MMDD> <hh:mm:ss.uuuuuu> <pid> <file>:<line>] <message>`, or another; times are UTC."""

    def __init__(self, style: str = "default", *, escape: bool = True) -> None:
        super().__init__()
        if style not in FORMATS:
            raise ValueError(f"invalid argument for --log-format, got: {style}")
        self.kind = style
        self._escape = escape

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, if there is one, becomes part of the message."""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        if len(message) > MAX_MESSAGE_CHARS:
            message = f"{message[:MAX_MESSAGE_CHARS]}..."
        seconds = int(record.created)
        now = time.gmtime(seconds)
        micros = int((record.created - seconds) * 1_000_000)
        if self.kind == "json":
            return _json_line(record, f"{time.strftime(_ISO, now)}.{micros:06d}Z", message)
        if self._escape:
            message = json.dumps(message)
        letter = _LETTERS.get(record.levelno, "I")
        where = f"{record.process} {record.filename}:{record.lineno}]"
        if self.kind == "ISO8601":
            return f"{time.strftime(_ISO, now)}Z {letter} {where} {message}"
        stamp = time.strftime("%m%d %H:%M:%S", now)
        return f"{letter}{stamp}.{micros:06d} {where} {message}"


def _json_line(record: logging.LogRecord, when: str, message: str) -> str:
    level = "VERBOSE" if record.levelno < logging.INFO else record.levelname
    return json.dumps(
        {
            "time": when,
            "level": level,
            "pid": record.process,
            "file": record.filename,
            "line": record.lineno,
            "message": message,
        }
    )


class _LevelFilter(logging.Filter):
    """Lets through the levels that the log's settings turn on."""

    def __init__(self, log: ServerLog, wanted: Callable[[int], bool]) -> None:
        super().__init__()
        self._log = log
        self._wanted = wanted

    def filter(self, record: logging.LogRecord) -> bool:
        level = record.levelno
        settings = self._log.settings
        if level >= logging.ERROR:
            enabled = settings.error
        elif level >= logging.WARNING:
            enabled = settings.warning
        elif level >= logging.INFO:
            enabled = settings.info
        else:
            enabled = True  # the logger's own level has already decided
        return enabled and self._wanted(level)


class _ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stdout or sys.stderr is at the time; a closed pipe is not an error."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            super().handleError(record)


class ServerLog:
    """The log while the server runs: where it goes is fixed, what and how can be changed."""

    def __init__(self, settings: LogSettings) -> None:
        """Raises OSError for an unusable file."""
        self.settings = settings
        self._handlers: list[logging.Handler] = []
        if settings.file:
            file = logging.FileHandler(Path(settings.file), mode="a", encoding="utf-8")
            file.addFilter(_LevelFilter(self, lambda level: True))
            self._handlers.append(file)
        else:
            for stream, wanted in (
                (sys.stdout, lambda level: level < logging.WARNING),
                (sys.stderr, lambda level: level >= logging.WARNING),
            ):
                console = _ConsoleHandler(stream)
                console.addFilter(_LevelFilter(self, wanted))
                self._handlers.append(console)
        self.change(settings)

    def install(self) -> None:
        """On `penstock`, and on the root: warnings of libraries and models take the same form."""
        _install(self._handlers)

    def change(self, settings: LogSettings) -> None:
        """From the next line on; the file stays what it was. Raises ValueError for the format."""
        formatter = LineFormatter(settings.format, escape=settings.escape)
        self.settings = settings
        for handler in self._handlers:
            handler.setFormatter(formatter)
        level = verbose_level(settings.verbose) if settings.verbose > 0 else logging.INFO
        logging.getLogger(LOGGER_NAME).setLevel(level)


def setup_logging(settings: LogSettings) -> ServerLog:
    """Points the logger `penstock` where the settings say. Raises OSError for an unusable file."""
    log = ServerLog(settings)
    log.install()
    return log


def _install(handlers: list[logging.Handler]) -> None:
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
        record = logger.makeRecord(LOGGER_NAME, logging.INFO, __file__, 0, text, (), None)
        if isinstance(handler.formatter, LineFormatter) and handler.formatter.kind == "json":
            handler.handle(record)
        elif isinstance(handler, logging.StreamHandler) and handler.filter(record):
            handler.acquire()
            try:
                handler.stream.write(text)
                handler.flush()
            finally:
                handler.release()
