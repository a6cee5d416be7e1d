# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Abuse of the HTTP port: wrong framing, clients that vanish or dawdle, bombs, oversize."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_repository import write_repository
from raw_http import INFER, RawHttp, framing_corpus, infer_message, message
from server_process import ServerProcess
from survive import MIB, Survivor

#: The full sizes; without it those that every change can afford.
FULL = os.environ.get("PENSTOCK_ADVERSITY") == "full"
MANY = 1000 if FULL else 200

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
MARKER = b"GET /v2/models/the-marker/ready HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = infer_message("slow", columns=1)


@pytest.fixture(scope="module")
def baseline(server: ServerProcess) -> Survivor:
    return Survivor(server)


@pytest.fixture
def survivor(baseline: Survivor) -> Iterator[Survivor]:
    baseline.mark()
    yield baseline
    baseline.check(max_growth_bytes=16 * MIB)


def test_wrong_framing_is_refused_and_ends_the_connection(survivor: Survivor) -> None:
    """A2. The request behind it must not be answered: nobody knows where it begins."""
    corpus = framing_corpus()
    assert len(corpus) >= 150
    for data in corpus:
        with RawHttp(survivor.server.http_port) as client:
            client.send(data + MARKER)
            status, body = client.reply()
            assert status in (400, 505), (data, status)
            assert json.loads(body)["error"]
            assert client.rest() == b"", data


def test_right_framing_that_looks_odd_is_served(survivor: Survivor) -> None:
    """A2, the other half: what RFC 9112 allows works, and the next request is found."""
    body = infer_message().partition(b"\r\n\r\n")[2]
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n".encode()
    size = len(body)
    chunks = b"%x;a=b\r\n%s\r\n%X\r\n%s\r\n000\r\nA: b\r\n\r\n" % (
        10,
        body[:10],
        size - 10,
        body[10:],
    )
    odd = [
        head + b"Content-Length: 000%d\r\n\r\n" % size + body,
        head + b"content-LENGTH:\t%d \r\n\r\n" % size + body,
        head + b"Transfer-Encoding: CHUNKED\r\n\r\n" + chunks,
        b"\r\n" + infer_message(),
        infer_message().replace(INFER.encode(), b"http://other.host" + INFER.encode(), 1),
        infer_message().replace(INFER.encode(), INFER.encode() + b"?a=b&c", 1),
        infer_message(fields="Upgrade: websocket\r\nConnection: upgrade\r\n"),
        infer_message(fields="A:\r\nB: \xff\r\n"),
    ]
    for data in odd:
        with RawHttp(survivor.server.http_port) as client:
            client.send(data + MARKER)
            assert client.reply()[0] == 200, data
            assert b"the-marker" in client.reply()[1], data


def test_half_closed_clients_get_their_reply(survivor: Survivor) -> None:
    """B6."""
    for number in range(MANY):
        with RawHttp(survivor.server.http_port) as client:
            client.send(infer_message(padding=1000 * (number % 40)))
            client.socket.shutdown(socket.SHUT_WR)
            status, _ = client.reply()
            if status == 100:  # whether anybody is still there
                status, _ = client.reply()
            assert status == 200
            assert client.rest() == b""


def test_bodies_that_end_early(survivor: Survivor) -> None:
    """B6."""
    for number in range(MANY):
        data = infer_message(padding=1000 * (number % 40))
        with RawHttp(survivor.server.http_port) as client:
            client.send(data[: len(data) - 1 - number % 20])
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest() == b""


def leave(client: RawHttp, *, reset: bool) -> None:
    """Closes, politely or not."""
    if reset:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def test_clients_that_leave_with_requests_in_flight(survivor: Survivor) -> None:
    """B9, H-30: their requests are cancelled while they are queued."""
    server = survivor.server
    count = 'nv_inference_count{model="slow",version="1"}'
    before = server.metrics()[count]
    for start in range(0, MANY, 50):
        clients = [RawHttp(server.http_port) for _ in range(50)]
        for client in clients:
            client.send(SLOW)
        for client in clients:
            leave(client, reset=start % 100 == 0)
    pending = 'nv_inference_pending_request_count{model="slow",version="1"}'
    deadline = time.monotonic() + 10
    while server.metrics()[pending] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ran = server.metrics()[count] - before
    assert ran <= 4 + MANY * 0.01, f"{ran} of {MANY} ran"


def test_a_flood_of_connections(survivor: Survivor) -> None:
    """B8."""
    for _ in range(20_000 if FULL else 2_000):
        with RawHttp(survivor.server.http_port) as client:
            client.send(LIVE[:20])


@pytest.mark.parametrize("wbits", [31, 15])
def test_decompression_bombs(survivor: Survivor, wbits: int) -> None:
    """B5: refused at the limit, again and again, and memory goes back."""
    packer = zlib.compressobj(9, wbits=wbits)
    chunk = bytes(MIB)
    bomb = b"".join(packer.compress(chunk) for _ in range(100)) + packer.flush()
    fields = f"Content-Encoding: {'gzip' if wbits == 31 else 'deflate'}\r\n"
    for _ in range(20 if FULL else 4):
        with RawHttp(survivor.server.http_port) as client:
            client.send(message(bomb, fields=fields))
            status, body = client.reply()
            assert status == 400
            assert b"Decompressed data size exceeds the maximum" in body
            client.send(LIVE)
            assert client.reply()[0] == 200
    survivor.mark()  # the pool may keep what it used, once


def test_bombs_do_not_hold_up_others(survivor: Survivor) -> None:
    """B5: the work is done in slices."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(63)) + packer.flush()
    data = message(bomb, fields="Content-Encoding: gzip\r\n")
    with RawHttp(survivor.server.http_port) as attacker, RawHttp(survivor.server.http_port) as user:
        done = threading.Event()

        def attack() -> None:
            for _ in range(5):
                attacker.send(data)
                attacker.reply()
            done.set()

        thread = threading.Thread(target=attack)
        thread.start()
        slowest = 0.0
        while not done.is_set():
            started = time.monotonic()
            user.send(LIVE)
            assert user.reply()[0] == 200
            slowest = max(slowest, time.monotonic() - started)
        thread.join()
    assert slowest < 0.5, f"{slowest:.3f} s"
    survivor.mark()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {10 << 40}\r\n\r\n", 413),
        ("GET /" + "a" * MIB + " HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("GET /" + "a" * 8192 + " HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("GET /v2 HTTP/1.1\r\nHost: x\r\nA: " + "a" * MIB + "\r\n\r\n", 431),
        ("GET /v2 HTTP/1.1\r\nHost: x\r\n" + "A: b\r\n" * 100_000 + "\r\n", 431),
        ("GET /v2 HTTP/1.1\r\nHost: x\r\n" + "A: b\r\n" * 100 + "\r\n", 431),
        (f"POST {INFER} HTTP/1.1\r\nHost: x\r\nExpect: x\r\nContent-Length: 9\r\n\r\n", 417),
    ],
)
def test_oversized_things_are_refused_unread(survivor: Survivor, data: str, status: int) -> None:
    """B3."""
    for _ in range(10):
        with RawHttp(survivor.server.http_port) as client:
            client.send(data.encode())
            assert client.reply()[0] == status


def test_floods_of_chunks(survivor: Survivor) -> None:
    """B3, H-27: a million one-byte chunks."""
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    for _ in range(20 if FULL else 3):
        with RawHttp(survivor.server.http_port) as client:
            client.send(head)
            for _ in range(100):
                if not client.send(b"1\r\n \r\n" * 10_000):
                    break
            status, body = client.reply()
            assert (status, b"65536 non-empty chunks" in body) == (400, True)


# ---------------------------------------------------------------- with time-outs that tests can see


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root: Path = tmp_path_factory.mktemp("models")
    write_repository(root)
    log = tmp_path_factory.mktemp("log") / "server.log"
    options = [
        "--model-control-mode=explicit",
        "--load-model=labelled",
        "--http-header-timeout-secs=0.5",
        "--http-body-timeout-secs=0.5",
        "--http-idle-timeout-secs=1",
        "--http-max-connections=150",
    ]
    with ServerProcess(root, log, *options) as started:
        yield started


def test_slow_clients_are_ended_and_normal_ones_served(impatient: ServerProcess) -> None:
    """B1: slow heads and slow bodies, to the control plane's routes as well."""
    survivor = Survivor(impatient)
    index = message(b"{}", "/v2/repository/index")
    slow = [LIVE[:10], infer_message()[:-2], index[:-1], LIVE[:-1]]
    clients = [RawHttp(impatient.http_port) for _ in range(100)]
    started = time.monotonic()
    for number, client in enumerate(clients):
        client.send(slow[number % len(slow)])
    for client in clients:
        status, _ = client.reply()
        assert status == 408
        client.socket.close()
    assert 0.4 < time.monotonic() - started < 5
    survivor.check(max_growth_bytes=16 * MIB)


def test_connections_over_the_bound_are_told_so(impatient: ServerProcess) -> None:
    """B2."""
    clients = [RawHttp(impatient.http_port) for _ in range(160)]
    statuses = []
    for client in clients[150:]:
        statuses.append(client.reply()[0])
    for client in clients:
        client.socket.close()
    assert statuses == [503] * 10
    Survivor(impatient).check()
