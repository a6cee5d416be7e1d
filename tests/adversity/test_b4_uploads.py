# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""B4: more uploads at a time than there is room for: the rest is refused before it is read."""

from __future__ import annotations

import os
import selectors
from pathlib import Path

import http2_frames as h2
import pytest
from http2_frames import RawConnection, call_head, frame
from raw_http import RawHttp, message
from server_process import ServerProcess
from sizes import report, size
from survive import MIB, Serve, Survivor

UPLOADS = 100
BODY = size(6, 60) * MIB
BUDGET = size(52, 512) * MIB
LET_IN = BUDGET // BODY


@pytest.fixture(scope="module")
def bounded(serve: Serve) -> ServerProcess:
    bounds = [f"--{protocol}-max-in-flight-bytes={BUDGET}" for protocol in ("http", "grpc")]
    return serve(*bounds)


def peak_kib(server: ServerProcess) -> int:
    """The most memory that the process has ever had."""
    status = Path(f"/proc/{server.running.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def upload() -> bytes:
    floats = BODY // 4 - 1024
    tensor = f'"shape":[1,{floats}],"parameters":{{"binary_data_size":{4 * floats}}}'
    json = f'{{"inputs":[{{"name":"INPUT0","datatype":"FP32",{tensor}}}],'
    json += '"parameters":{"binary_data_output":true}}'
    fields = f"Inference-Header-Content-Length: {len(json)}\r\n"
    body = json.encode() + os.urandom(4096) * (floats // 1024)
    return message(body, "/v2/models/identity_fp32/infer", fields)


def test_b4_parallel_uploads(bounded: ServerProcess) -> None:
    """What is let in is answered in full; memory stays within the budget."""
    survivor = Survivor(bounded)
    data = upload()
    head = data.index(b"\r\n\r\n") + 4
    before = peak_kib(bounded)
    clients = [RawHttp(bounded.http_port) for _ in range(UPLOADS)]
    selector = selectors.DefaultSelector()
    for client in clients:
        client.send(data[:head])
        selector.register(client.socket, selectors.EVENT_READ, client)
    refused = []
    while len(refused) < UPLOADS - LET_IN:
        answered = selector.select(10)
        assert answered, f"only {len(refused)} were refused"
        for key, _ in answered:
            assert key.data.reply()[0] == 503
            selector.unregister(key.fileobj)
            refused.append(key.data)
    let_in = [client for client in clients if client not in refused]
    for at in range(head, len(data) - 1, MIB):  # all but the last byte of all of them, together
        for client in let_in:
            assert client.send(data[at : min(at + MIB, len(data) - 1)])
    for client in let_in:
        assert client.send(data[-1:])
    for client in let_in:
        status, body = client.reply()
        assert status == 200 and body.endswith(data[-4096:])
    for client in clients:
        client.close()
    selector.close()
    grown = peak_kib(bounded) - before
    report(f"B4: {len(let_in)} of {UPLOADS} let in, RSS +{grown >> 10} MiB of {BUDGET // MIB} MiB")
    assert len(let_in) == LET_IN
    assert grown << 10 <= BUDGET * 1.2
    survivor.check(max_growth_bytes=int(BUDGET * 1.2))  # the pool keeps some for the next


def test_b4_parallel_grpc_messages(bounded: ServerProcess) -> None:
    """The same by gRPC, where the length of a message is what asks for room."""
    survivor = Survivor(bounded)
    prefix = h2.message(b"", length=BODY)
    with RawConnection(bounded.grpc_port) as connection:
        for stream in range(1, 2 * UPLOADS, 2):
            connection.send(call_head(stream) + frame(h2.DATA, 0, stream, prefix))
        for _ in range(UPLOADS - LET_IN):
            ended = connection.read_until(h2.HEADERS)
            assert ended.flags & h2.END_STREAM
    survivor.check(max_growth_bytes=64 * MIB)
