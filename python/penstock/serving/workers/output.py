# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a model writes to stdout and stderr, as lines of the server's log, bounded."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_LOGGER: Final = logging.getLogger(__name__)

#: A longer line is cut in pieces.
MAX_LINE_BYTES: Final = 4096
#: More in a second are counted, and dropped.
MAX_LINES_A_SECOND: Final = 200
#: Read at a time: a flood must not keep the supervisor from its other processes.
_CHUNK: Final = 1 << 16
_CHUNKS: Final = 16
#: Lines that are remembered, to say why a process has failed.
_LAST: Final = 20


class OutputLog:
    """Reads a pipe, which must not block, when there is something to read."""

    def __init__(self, fd: int, name: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._fd = fd
        self._name = name
        self._now = now
        self._rest = b""
        self._second = 0.0
        self._lines = 0
        self._dropped = 0
        self._last: deque[bytes] = deque(maxlen=_LAST)

    def read(self) -> bool:
        """Logs what is there. False once the pipe was closed at its other end."""
        for _ in range(_CHUNKS):
            try:
                data = os.read(self._fd, _CHUNK)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._take(data)
        return True

    def finish(self) -> None:
        """Logs what is left, and how much was not logged."""
        while self.read():
            if len(self._rest) == 0:
                break
            rest, self._rest = self._rest, b""
            self._line(rest)
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        self.tell_dropped()

    def _take(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        while len(rest) > MAX_LINE_BYTES:
            self._line(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._rest = rest

    def _line(self, line: bytes) -> None:
        now = self._now()
        self._last.append(line[:MAX_LINE_BYTES])
        if now - self._second >= 1.0:
            self.tell_dropped()
            self._second, self._lines = now, 0
        if self._lines >= MAX_LINES_A_SECOND:
            self._dropped += 1
            return
        self._lines += 1
        text = line[:MAX_LINE_BYTES].decode("utf-8", "replace")
        _LOGGER.info("%s: %s", self._name, text)

    @property
    def last(self) -> list[str]:
        """The last lines, logged or dropped."""
        return [line.decode("utf-8", "replace") for line in self._last]

    @property
    def dropped(self) -> bool:
        """Whether there is something to tell with `tell_dropped`, a second later."""
        return self._dropped > 0

    def tell_dropped(self) -> None:
        """Logs how much was not logged, if anything was not."""
        if self._dropped:
            _LOGGER.warning("%s: %d lines of output were dropped", self._name, self._dropped)
            self._dropped = 0
