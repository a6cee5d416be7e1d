# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server, whoever serves: the native and the Python data plane answer the same bytes."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess

ROW = np.arange(4, dtype=np.float32)
INFER = "/v2/models/labelled/infer"


@pytest.fixture(scope="module")
def planes(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of each kind, native first."""
    directory = tmp_path_factory.mktemp("logs")
    models = [f"--load-model={name}" for name in ("labelled", "identity_fp32", "pair")]
    options = ["--model-control-mode=explicit", "--id=same", "--allow-grpc=false", *models]
    with (
        ServerProcess(repository, directory / "native", *options, "--data-plane=native") as native,
        ServerProcess(repository, directory / "python", *options, "--data-plane=python") as python,
    ):
        yield native, python


def tensor(**changes: Any) -> dict[str, Any]:
    data = ROW.tolist()
    return {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": data} | changes


def post(
    body: bytes | dict[str, Any], *fields: str, path: str = INFER, version: str = "1.1"
) -> bytes:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def get(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def binary(count: int = 4, **changes: Any) -> tuple[bytes, str]:
    """A body with a binary input that asks for a binary output, and its header."""
    described = tensor(shape=[1, count], parameters={"binary_data_size": 4 * count})
    del described["data"]
    outputs = [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [described], "outputs": outputs} | changes).encode()
    values = np.arange(count, dtype=np.float32).tobytes()
    return head + values, f"Inference-Header-Content-Length: {len(head)}"


BODY, LENGTH = binary()
LARGE, LARGE_LENGTH = binary(200_000)
CHUNKED = (
    f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    + b"".join(b"1\r\n%c\r\n" % byte for byte in json.dumps({"inputs": [tensor()]}).encode())
    + b"0\r\n\r\n"
)

REQUESTS: dict[str, bytes] = {
    "live": get("/v2/health/live"),
    "ready": get("/v2/health/ready"),
    "live_with_query": get("/v2/health/live?a=b"),
    "live_1_0": get("/v2/health/live", version="1.0"),
    "live_1_0_kept": get("/v2/health/live", "Connection: keep-alive", version="1.0"),
    "live_closed": get("/v2/health/live", "Connection: close"),
    "live_post": post(b"", path="/v2/health/live"),
    "live_head": get("/v2/health/live", method="HEAD"),
    "model_ready": get("/v2/models/labelled/ready"),
    "version_ready": get("/v2/models/labelled/versions/1/ready"),
    "no_such_version": get("/v2/models/labelled/versions/77/ready"),
    "huge_version": get("/v2/models/labelled/versions/99999999999999999999/ready"),
    "unknown_ready": get("/v2/models/unknown/ready"),
    "escaped_name": get("/v2/models/label%6ced/ready"),
    "utf8_name": get("/v2/models/\xc3\xa9/ready"),
    "metadata": get("/v2"),
    "metadata_1_0": get("/v2", version="1.0"),
    "model_metadata": get("/v2/models/labelled"),
    "config": get("/v2/models/labelled/config"),
    "index": post({}, path="/v2/repository/index"),
    "index_bad_json": post(b"{", path="/v2/repository/index"),
    "not_found": get("/nothing"),
    "trailing_slash": get("/v2/health/live/"),
    "wrong_method": get(INFER),
    "refused": post({}, path="/v2/models/labelled/generate"),
    "json": post({"inputs": [tensor()], "id": "7"}),
    "json_version": post({"inputs": [tensor()]}, path="/v2/models/labelled/versions/1/infer"),
    "json_1_0": post({"inputs": [tensor()]}, version="1.0"),
    "binary": post(BODY, LENGTH),
    "large": post(LARGE, LARGE_LENGTH, path="/v2/models/identity_fp32/infer"),
    "raw": post(ROW.tobytes(), "Inference-Header-Content-Length: 0"),
    "gzip": post(gzip.compress(BODY, mtime=0), LENGTH, "Content-Encoding: gzip"),
    "deflate": post(zlib.compress(BODY), LENGTH, "Content-Encoding: deflate"),
    "unknown_encoding": post(BODY, LENGTH, "Content-Encoding: br"),
    "encoding_upper_case": post(BODY, LENGTH, "Content-Encoding: GZIP"),
    "not_gzip": post(b"plain", "Content-Encoding: gzip"),
    "truncated_gzip": post(gzip.compress(BODY)[:-9], "Content-Encoding: gzip"),
    "data_behind_gzip": post(gzip.compress(BODY) + b"x", "Content-Encoding: gzip"),
    "empty_gzip": post(b"", "Content-Encoding: gzip"),
    "reply_deflate": post(BODY, LENGTH, "Accept-Encoding: deflate"),
    "reply_deflate_weight": post(BODY, LENGTH, "Accept-Encoding: gzip;q=0.1, deflate ; q=0.2"),
    "reply_no_weight": post(BODY, LENGTH, "Accept-Encoding: deflate;q=0, *;q=1, br"),
    "reply_bad_weight": post(BODY, LENGTH, "Accept-Encoding: deflate;q=2, gzip;x=1"),
    "reply_large_deflate": post(
        LARGE, LARGE_LENGTH, "Accept-Encoding: deflate", path="/v2/models/identity_fp32/infer"
    ),
    "chunked": CHUNKED,
    "empty_body": post(b""),
    "no_length": get(INFER, method="POST"),
    "not_json": post(b"x"),
    "missing_input": post({"inputs": []}),
    "wrong_shape": post({"inputs": [tensor(shape=[1, 5])]}),
    "unknown_model": post({"inputs": [tensor()]}, path="/v2/models/unknown/infer"),
    "bad_header_length": post(BODY, "Inference-Header-Content-Length: x"),
    "long_header_length": post(BODY, "Inference-Header-Content-Length: 99999"),
    "missing_bytes": post(BODY[:-4], LENGTH),
    "surplus_bytes": post(BODY + b"more", LENGTH),
    "unknown_expectation": post(BODY, LENGTH, "Expect: tea"),
}


def replies(server: ServerProcess, request: bytes) -> bytes:
    """All that comes back, to the end of the connection.

    A connection that stays open is ended by a last request; on one that the server closes, it
    would meet a reset, which takes the unread reply with it.
    """
    last = get("/v2/health/live", "Connection: close")
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received and (part := connection.recv(1 << 20)):
            received += part
        head = received.partition(b"\r\n\r\n")[0].lower()
        old = b" HTTP/1.0\r\n" in request and b"connection: keep-alive" not in head
        if b"connection: close" not in head and not old:
            connection.sendall(last)
        while part := connection.recv(1 << 20):
            received += part
        return received


@pytest.mark.parametrize("name", REQUESTS)
def test_both_answer_the_same_bytes(planes: tuple[ServerProcess, ServerProcess], name: str) -> None:
    native, python = (replies(server, REQUESTS[name]) for server in planes)
    assert native.startswith(b"HTTP/1.1 ")
    names = (b"Date: ", b"Server: ")  # those that aiohttp's own errors have
    assert _without(native, names) == _without(python, names)


def _without(reply: bytes, names: tuple[bytes, ...]) -> list[bytes]:
    return [line for line in reply.split(b"\r\n") if not line.startswith(names)]
