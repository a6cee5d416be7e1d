# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B5: what decompresses to more than is allowed, or is no compressed data at all."""

from __future__ import annotations

import gzip
import os
import threading
import time
import zlib
from pathlib import Path

import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame
from raw_http import LIVE, RawHttp, infer_message, message
from server_process import ServerProcess
from sizes import report, size
from survive import MIB, Survivor

GZIP, DEFLATE = 31, 15
ENCODINGS = {GZIP: "gzip", DEFLATE: "deflate"}
LIMIT = 64 * MIB
REPEATS = size(4, 100)
BODY = infer_message().partition(b"\r\n\r\n")[2]


def bomb(wbits: int, mib: int = 100) -> bytes:
    """A thousandth of what it becomes."""
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(mib)) + packer.flush()


def packed(data: bytes, wbits: int = GZIP) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    return packer.compress(data) + packer.flush()


def cpu_s(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("wbits", ENCODINGS, ids=ENCODINGS.get)
def test_b5_bombs(server: ServerProcess, wbits: int) -> None:
    """Refused at the limit, again and again, and their memory is used again."""
    data = message(bomb(wbits), fields=f"Content-Encoding: {ENCODINGS[wbits]}\r\n")

    def explode() -> None:
        with RawHttp(server.http_port) as client:
            client.send(data)
            status, body = client.reply()
            assert status == 400
            assert b"Decompressed data size exceeds the maximum" in body
            client.send(LIVE)
            assert client.reply()[0] == 200

    explode()
    survivor = Survivor(server)
    before = cpu_s(server)
    for _ in range(REPEATS):
        explode()
    each_s = (cpu_s(server) - before) / REPEATS
    report(f"B5: {ENCODINGS[wbits]}: {each_s:.2f} s of CPU each")
    assert each_s <= 0.5
    survivor.check(max_growth_bytes=1 * MIB)


def test_b5_the_peak_is_within_the_limit(server: ServerProcess) -> None:
    """What is decompressed is bounded, whatever it claims to be."""
    data = message(bomb(GZIP, 500), fields="Content-Encoding: gzip\r\n")
    Path(f"/proc/{server.running.pid}/clear_refs").write_text("5")  # forgets the peak so far
    survivor = Survivor(server)
    with RawHttp(server.http_port) as client:
        client.send(data)
        assert client.reply()[0] == 400
    status = Path(f"/proc/{server.running.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) << 10
    # Doubling its buffer, the server has the old and the new one for a moment.
    assert peak - survivor.rss_bytes <= LIMIT * 1.5 + 4 * MIB
    survivor.check(max_growth_bytes=LIMIT)


def test_b5_bombs_do_not_hold_up_others(survivor: Survivor) -> None:
    """The work is done in slices: whoever shares the loop is answered between them."""
    bombs = 5
    data = message(bomb(GZIP, 63), fields="Content-Encoding: gzip\r\n")
    with RawHttp(survivor.server.http_port) as attacker, RawHttp(survivor.server.http_port) as user:
        done = threading.Event()

        def attack() -> None:
            for _ in range(bombs):
                attacker.send(data)
                attacker.reply()
            done.set()

        thread = threading.Thread(target=attack)
        thread.start()
        answers, slowest = 0, 0.0
        while not done.is_set():
            started = time.monotonic()
            user.use()
            answers, slowest = answers + 1, max(slowest, time.monotonic() - started)
        thread.join()
    report(f"B5: beside bombs the slowest answer took {slowest * 1000:.1f} ms")
    # In one piece a bomb would let by the one that came before it, and the one behind.
    assert answers >= 5 * bombs, f"{answers} answers beside {bombs} bombs"
    survivor.mark()  # the pool may keep what it used, once


NO_REQUEST = {
    "nested": ("gzip", packed(packed(BODY))),
    "truncated": ("gzip", packed(BODY)[:-9]),
    "head_alone": ("gzip", packed(BODY)[:10]),
    "data_behind": ("gzip", packed(BODY) + b"more"),
    "second_member": ("gzip", packed(BODY) + packed(BODY)),
    "lying_length": ("gzip", packed(BODY)[:-4] + b"\xff\xff\xff\x7f"),
    "lying_checksum": ("gzip", packed(BODY)[:-8] + bytes(4) + packed(BODY)[-4:]),
    "no_gzip": ("gzip", BODY),
    "empty": ("gzip", b""),
    "deflate_truncated": ("deflate", packed(BODY, DEFLATE)[:-5]),
    "deflate_without_head": ("deflate", packed(BODY, -15)),
    "deflate_no_zlib": ("deflate", b"\x00" * 50),
}
NOT_OFFERED = {
    "two_encodings": "gzip, gzip",
    "brotli": "br",
    "zstd": "zstd",
    "unknown": "x-unknown",
}


@pytest.mark.parametrize("name", NO_REQUEST)
def test_b5_broken_data(survivor: Survivor, name: str) -> None:
    """H-33: the client is told, and the connection serves on."""
    encoding, data = NO_REQUEST[name]
    with RawHttp(survivor.server.http_port) as client:
        client.send(message(data, fields=f"Content-Encoding: {encoding}\r\n"))
        assert client.reply()[0] == 400
        client.use()


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_b5_encodings_that_are_not_offered(survivor: Survivor, name: str) -> None:
    """H-33: 501."""
    with RawHttp(survivor.server.http_port) as client:
        client.send(message(packed(BODY), fields=f"Content-Encoding: {NOT_OFFERED[name]}\r\n"))
        assert client.reply()[0] == 501


def test_b5_grpc_bombs(server: ServerProcess) -> None:
    """What a message becomes is bounded, and its memory is used again."""
    data = h2.message(gzip.compress(bytes(32 * MIB)), flags=1)

    def explode() -> None:
        with RawConnection(server.grpc_port) as connection:
            connection.send(call_head(1, grpc_encoding="gzip"))
            for at in range(0, len(data), 16384):
                flags = h2.END_STREAM if at + 16384 >= len(data) else 0
                connection.send(frame(h2.DATA, flags, 1, data[at : at + 16384]))
            connection.read_end(1)

    explode()
    survivor = Survivor(server)
    for _ in range(REPEATS):
        explode()
    survivor.check(max_growth_bytes=1 * MIB)
