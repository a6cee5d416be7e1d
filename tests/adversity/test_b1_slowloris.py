# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B1: clients that dawdle are ended in time, and nobody else is held up."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import http2_frames as h2
import pytest
from http2_frames import RawConnection
from normal_traffic import NormalTraffic, measure
from raw_http import RawHttp, infer_message, message
from server_process import ServerProcess
from sizes import FULL, report, size
from slow_clients import SlowClient, crowd, wait_for_end
from survive import MIB, Serve, Survivor

#: Seconds: the defaults in the full size, where they are what is tested.
HEAD_S = size(1, 10)
SEND_S = size(2, 30)
HEADS, BODIES, READERS = size(150, 2000), size(40, 500), size(20, 500)
#: A machine that is shared is late now and then.
LATE_S = 1.0 if FULL else 1.5
IDLE_KIB = 16
#: Beside 1.5 times: what a machine that has other things to do may add to a p99.
NOISE_MS = 5.0 if FULL else 20.0


@pytest.fixture(scope="module")
def impatient(serve: Serve) -> ServerProcess:
    options = [f"--http-header-timeout-secs={HEAD_S}", f"--http-send-timeout-secs={SEND_S}"]
    return serve("--http-max-in-flight-bytes=8000000000", *options)


def slow_heads(count: int) -> list[SlowClient]:
    """1 byte every 5 s, of heads that would be served and of some that would be passed on."""
    heads = (b"POST /v2/models/labelled/infer HTTP/1.1\r\nHost: x\r\n", b"GET /v2 HTTP/1.1\r\n")
    return [SlowClient(heads[n % 2], b"A: " + b"b" * 100, HEAD_S / 2) for n in range(count)]


def slow_bodies(count: int) -> list[SlowClient]:
    """1 byte a second, of small and large bodies, and of one for the control plane."""
    index = message(b" " * 4000, "/v2/repository/index")
    bodies = (infer_message(padding=100), infer_message(padding=100_000), index)
    return [SlowClient(bodies[n % 3][:150], b" " * 1000, size(1, 1)) for n in range(count)]


def slow_readers(count: int) -> list[SlowClient]:
    """1 byte a second of a reply that no socket buffer takes."""
    floats = 1 << 20 if FULL else 1 << 21
    tensor = f'"shape":[1,{floats}],"parameters":{{"binary_data_size":{4 * floats}}}'
    json = f'{{"inputs":[{{"name":"INPUT0","datatype":"FP32",{tensor}}}],'
    json += '"parameters":{"binary_data_output":true}}'
    fields = f"Inference-Header-Content-Length: {len(json)}\r\n"
    data = message(json.encode() + bytes(4 * floats), "/v2/models/identity_fp32/infer", fields)
    return [SlowClient(data, reads=1, receive_buffer=1024) for _ in range(count)]


def test_b1_slowloris(impatient: ServerProcess) -> None:
    """Slow heads and bodies are answered 408 in time; normal traffic does not notice."""
    survivor = Survivor(impatient)
    # The same crowd at a port where nobody is at home: its own cost to the machine is in both.
    with (
        socket.create_server(("127.0.0.1", 0), backlog=4096) as nobody,
        crowd(nobody.getsockname()[1], [*slow_heads(HEADS), *slow_bodies(BODIES)]),
    ):
        alone = measure(impatient.http_port, size(2, 10))
    with (
        NormalTraffic(impatient.http_port) as traffic,
        crowd(impatient.http_port, [*slow_heads(HEADS), *slow_bodies(BODIES)]) as clients,
    ):
        rss_before = rss_kib(impatient)
        wait_for_end(clients, HEAD_S + 15)
        for client in clients:
            assert client.received.startswith(b"HTTP/1.1 408 "), client.received[:100]
            assert client.ended_s is not None and client.ended_s >= HEAD_S - 0.1
        ended = sorted(client.ended_s or 0 for client in clients)
        grown = rss_kib(impatient) - rss_before
    beside = traffic.result
    report(f"B1: {len(clients)} slow clients ended after {ended[0]:.2f} to {ended[-1]:.2f} s")
    report(
        f"B1: normal p99 {alone.p99_ms:.2f} ms with the crowd elsewhere, "
        f"{beside.p99_ms:.2f} ms with it here"
    )
    report(f"B1: {beside.requests} normal requests, {beside.failed} failed, RSS +{grown} KiB")
    assert ended[-1] <= HEAD_S + LATE_S
    assert beside.failed == 0
    assert beside.p99_ms <= 1.5 * alone.p99_ms + NOISE_MS
    survivor.check(max_growth_bytes=16 * MIB)


def test_b1_slow_readers(impatient: ServerProcess) -> None:
    """Clients that do not take their replies are ended; their memory is used again."""
    survivor = Survivor(impatient)
    with (
        NormalTraffic(impatient.http_port) as traffic,
        crowd(impatient.http_port, slow_readers(READERS)) as clients,
    ):
        time.sleep(SEND_S + 4)
        open_now = survivor.ledger()["HTTP connections"]
        assert open_now <= 1 + READERS * 0.02, f"{open_now} of {len(clients)} are open"
    report(f"B1: {READERS} slow readers ended, normal p99 {traffic.result.p99_ms:.2f} ms")
    assert traffic.result.failed == 0
    survivor.check(max_growth_bytes=300 * MIB)  # what large replies used is kept for the next


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_b1_memory_of_an_idle_connection(serve: Serve, protocol: str) -> None:
    """Of one that has been used."""
    server = serve()
    count = size(500, 2000)
    survivor = Survivor(server)
    for connection in open_connections(server, protocol, 300):  # what is made once
        connection.close()
    survivor.mark()
    before = rss_kib(server)
    connections = open_connections(server, protocol, count)
    each = (rss_kib(server) - before) / count
    for connection in connections:
        connection.close()
    report(f"B1: an idle {protocol} connection: {each:.1f} KiB")
    assert each <= IDLE_KIB
    survivor.check(max_growth_bytes=(IDLE_KIB * count << 10) + 8 * MIB)


def open_connections(server: ServerProcess, protocol: str, count: int) -> list[RawHttp | Grpc]:
    kind = RawHttp if protocol == "http" else Grpc
    made: list[RawHttp | Grpc] = []
    for _ in range(count):
        made.append(kind(server.http_port if protocol == "http" else server.grpc_port))
        made[-1].use()
    return made


class Grpc(RawConnection):
    """A connection that has made a call."""

    def use(self) -> None:
        path = "/inference.GRPCInferenceService/ServerLive"
        self.send(h2.call_head(1, path) + h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(b"")))
        self.read_until(h2.DATA, 1)


def rss_kib(server: ServerProcess) -> int:
    statm = Path(f"/proc/{server.running.pid}/statm").read_text().split()
    return int(statm[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
