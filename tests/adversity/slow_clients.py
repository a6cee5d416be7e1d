# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A crowd of clients that dawdle: they send a byte now and then, or read one."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_STEP_S = 0.05


@dataclass(eq=False)
class SlowClient:
    """One connection: `first` is sent at once, then a byte of `rest` every `interval_s`."""

    first: bytes
    rest: bytes = b""
    interval_s: float = 1.0
    #: bytes read each interval; 0: everything, as it comes
    reads: int = 0
    #: the receive buffer that is asked for; 0: the system's
    receive_buffer: int = 0

    received: bytes = field(default=b"", init=False)
    #: seconds from the first byte to the end, None while it lives
    ended_s: float | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    due: float = field(default=0.0, init=False)
    sent: int = field(default=0, init=False)
    socket: socket.socket = field(init=False)

    def connect(self, port: int) -> None:
        """Sends the first part; what the system does not take is not sent again."""
        self.socket = socket.socket()
        if self.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.started = self.due = time.monotonic()
        self.socket.sendall(self.first)
        self.socket.setblocking(False)

    def step(self, now: float) -> None:
        """Sends or reads a little, if it is time."""
        if self.ended_s is not None or now < self.due:
            return
        self.due = now + self.interval_s
        try:
            if self.sent < len(self.rest):
                self.socket.send(self.rest[self.sent : self.sent + 1])
                self.sent += 1
            if self.reads:
                self._take(self.reads)
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                self._end()

    def read(self) -> None:
        """Something has come, or the end."""
        with contextlib.suppress(BlockingIOError):
            try:
                self._take(1 << 16)
            except ConnectionError:
                self._end()

    def _take(self, size: int) -> None:
        part = self.socket.recv(size)
        self.received = (self.received + part)[:1024]
        if not part:
            self._end()

    def _end(self) -> None:
        if self.ended_s is None:
            self.ended_s = time.monotonic() - self.started


@contextlib.contextmanager
def crowd(port: int, clients: Iterable[SlowClient]) -> Iterator[list[SlowClient]]:
    """Connects them all, lets them dawdle on a thread of its own, and closes them."""
    connected: list[SlowClient] = []
    selector = selectors.DefaultSelector()
    done = threading.Event()

    def dawdle() -> None:
        while not done.wait(_STEP_S):
            for key, _ in selector.select(0):
                key.data.read()
                if key.data.ended_s is not None:
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            for client in tuple(connected):
                client.step(now)

    thread = threading.Thread(target=dawdle)
    thread.start()
    try:
        for client in clients:
            client.connect(port)
            if not client.reads:
                selector.register(client.socket, selectors.EVENT_READ, client)
            connected.append(client)
        yield connected
    finally:
        done.set()
        thread.join()
        for client in connected:
            client.socket.close()
        selector.close()


def wait_for_end(clients: Iterable[SlowClient], deadline_s: float) -> None:
    """Until all have ended. Raises AssertionError when they do not."""
    deadline = time.monotonic() + deadline_s
    waiting = list(clients)
    while waiting := [client for client in waiting if client.ended_s is None]:
        assert time.monotonic() < deadline, f"{len(waiting)} connections are still open"
        time.sleep(_STEP_S)
