# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The hot calls never take the GIL: they are served while a Python thread keeps it.

The server is started with a sitecustomize.py that keeps the GIL, on a signal, in a C call that does
not let it go. What needs Python stands still meanwhile, which is how the test knows that it works.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame
from raw_http import LIVE, RawHttp, infer_message
from server_process import ServerProcess
from sizes import report
from survive import Serve, Survivor, infer_request

HELD_S = 2.0
#: A few milliseconds, and what a machine that has other things to do adds.
P99_MS = 20.0
HOLDER = f"""
import ctypes, signal
signal.signal(signal.SIGUSR2, lambda *_: ctypes.PyDLL(None).usleep({int(HELD_S * 1e6)}))
"""
BODY = h2.message(infer_request().SerializeToString())


@pytest.fixture(scope="module")
def holding(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    directory = tmp_path_factory.mktemp("site")
    (directory / "sitecustomize.py").write_text(HOLDER)
    path = f"{directory}:{os.environ.get('PYTHONPATH', '')}"
    return serve(prefix=("env", f"PYTHONPATH={path}"))


class HttpAsker:
    """Inference and health, one after the other."""

    def __init__(self, server: ServerProcess) -> None:
        self.connection = RawHttp(server.http_port)
        self._number = 0

    def ask(self) -> None:
        self._number += 1
        self.connection.send(LIVE if self._number % 2 else infer_message())
        assert self.connection.reply()[0] == 200


class GrpcAsker:
    """Inference."""

    def __init__(self, server: ServerProcess) -> None:
        self.connection = RawConnection(server.grpc_port)
        self._stream = -1

    def ask(self) -> None:
        self._stream += 2
        head = call_head(self._stream)
        self.connection.send(head + frame(h2.DATA, h2.END_STREAM, self._stream, BODY))
        data = self.connection.read_until(h2.DATA, self._stream)
        assert data.payload[0] == 0
        self.connection.send(frame(h2.WINDOW_UPDATE, 0, 0, (1000).to_bytes(4, "big")))


def while_held(server: ServerProcess, ask: Callable[[], None]) -> list[float]:
    """The times of answers, in milliseconds, while nothing of Python's moves."""
    waited: list[float] = []

    def control_plane() -> None:
        started = time.monotonic()
        assert server.request("GET", "/v2").status == 200
        waited.append(time.monotonic() - started)

    server.running.send_signal(signal.SIGUSR2)
    time.sleep(0.2)  # the signal is on its way to the main thread
    python = threading.Thread(target=control_plane)
    python.start()
    times_ms = []
    ends = time.monotonic() + HELD_S - 0.6
    while time.monotonic() < ends:
        started = time.perf_counter()
        ask()
        times_ms.append((time.perf_counter() - started) * 1000)
    assert not waited, "the GIL was not kept: this proves nothing"
    python.join()
    assert waited[0] >= HELD_S - 0.8
    return sorted(times_ms)


@pytest.mark.parametrize("asker", [HttpAsker, GrpcAsker], ids=["http", "grpc"])
def test_hot_calls_are_served_while_the_gil_is_held(
    holding: ServerProcess, asker: type[HttpAsker | GrpcAsker]
) -> None:
    survivor = Survivor(holding)
    client = asker(holding)
    for _ in range(100):
        client.ask()
    times_ms = while_held(holding, client.ask)
    p99_ms = times_ms[int(len(times_ms) * 0.99)]
    report(f"GIL held: {len(times_ms)} answers by {asker.__name__}, p99 {p99_ms:.2f} ms")
    assert len(times_ms) >= 100
    assert p99_ms <= P99_MS
    client.connection.close()
    survivor.check()
