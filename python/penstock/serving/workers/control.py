# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The control socket between the server and a worker process: JSON objects behind their length.

What belongs to requests goes through shared memory; here goes what happens now and then: the job,
whether it was done, lines of the log, values of metrics. A worker may send anything: what is no
message, or too long, ends the socket's use.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from typing import Any, Final

_LENGTH: Final = struct.Struct("<I")
#: A longer message is not believed.
MAX_BYTES: Final = 64 << 20
_CHUNK: Final = 1 << 16

Message = dict[str, Any]


class ControlSocket:
    """One end. Any thread may send; one at a time may receive."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lock = threading.Lock()
        self._received = bytearray()

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Sends all of it. Raises OSError when the other end is gone."""
        data = json.dumps(message).encode()
        with self._lock:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Message:
        """Waits for the next message. Raises EOFError when there will be none."""
        while (message := self._next()) is None:
            self._fill()
        return message

    def received(self) -> list[Message]:
        """What came by now. Raises EOFError after the last one.

        Never waits: a process that has ended may have left its end to one that it has started.
        """
        with contextlib.suppress(BlockingIOError):
            self._fill(socket.MSG_DONTWAIT)
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def close(self) -> None:
        """The end of it."""
        self._socket.close()

    def _fill(self, flags: int = 0) -> None:
        try:
            data = self._socket.recv(_CHUNK, flags)
        except BlockingIOError:
            raise
        except OSError as error:
            raise EOFError(str(error)) from None
        if not data:
            raise EOFError("the other end was closed")
        self._received += data

    def _next(self) -> Message | None:
        if len(self._received) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._received)
        if size > MAX_BYTES:
            raise EOFError(f"a message of {size} bytes")
        end = _LENGTH.size + size
        if len(self._received) < end:
            return None
        data = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            raise EOFError("a message that is no JSON") from None
        if not isinstance(message, dict):
            raise EOFError("a message that is no JSON object")
        return message
