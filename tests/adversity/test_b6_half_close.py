# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B6: clients that end their own direction: behind a request, or within one."""

from __future__ import annotations

import socket
import time

from raw_http import RawHttp, infer_message, message
from sizes import report, size
from survive import Survivor

MANY = size(200, 1000)
ABORTED_S = 0.1


def test_b6_behind_a_request(survivor: Survivor) -> None:
    """The reply is delivered."""
    for number in range(MANY):
        with RawHttp(survivor.server.http_port) as client:
            client.send(infer_message(padding=1000 * (number % 40)))
            client.socket.shutdown(socket.SHUT_WR)
            status, _ = client.reply()
            if status == 100:  # whether anybody is still there
                status, _ = client.reply()
            assert status == 200
            assert client.rest() == b""


def test_b6_behind_requests_that_are_passed_on(survivor: Survivor) -> None:
    """The same, of the control plane; then with an inference behind."""
    index = message(b"{}", "/v2/repository/index")
    for number in range(MANY // 4):
        with RawHttp(survivor.server.http_port) as client:
            client.send(index + (infer_message() if number % 2 else b""))
            client.socket.shutdown(socket.SHUT_WR)
            answers = [status for status, _ in client.replies() if status != 100]
            assert answers == [200] * (1 + number % 2)


def test_b6_within_a_body(survivor: Survivor) -> None:
    """It can never be complete: aborted at once, without an answer."""
    times_s = []
    for number in range(MANY):
        path = "/v2/repository/index" if number % 5 == 4 else "/v2/models/labelled/infer"
        body = b" " * (100 + 1000 * (number % 40))
        data = message(body, path)
        with RawHttp(survivor.server.http_port) as client:
            client.send(data[: len(data) - 1 - number % 20])
            started = time.monotonic()
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest() == b""
            times_s.append(time.monotonic() - started)
    times_s.sort()
    report(f"B6: aborted within {times_s[-1] * 1000:.1f} ms at most")
    assert times_s[int(len(times_s) * 0.99)] <= ABORTED_S
