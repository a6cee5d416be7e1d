# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""HTTP as such: routes, methods, headers, sizes, compression, connections (1.1, 1.2)."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from typing import Any

import numpy as np
import pytest
from server_process import Reply, ServerProcess

INFER = "/v2/models/labelled/infer"
ROW = np.arange(4, dtype=np.float32)


def json_request(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": ROW.tolist()}
    return {"inputs": [tensor]} | changes


def binary_request(**changes: Any) -> tuple[bytes, dict[str, str]]:
    tensor = {
        "name": "INPUT0",
        "datatype": "FP32",
        "shape": [1, 4],
        "parameters": {"binary_data_size": 16},
    }
    outputs = [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [tensor], "outputs": outputs} | changes).encode()
    return head + ROW.tobytes(), {"Inference-Header-Content-Length": str(len(head))}


def assert_error(reply: Reply, status: int, text: str) -> None:
    assert (reply.status, reply.error) == (status, text)
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/", 404),
        ("GET", "//v2", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/m/versions/x", 404),
        ("POST", "/v2/models/m/versions/-1/infer", 404),
        ("GET", "/v2/models/m/trace/setting/more", 404),
        ("POST", "/v2", 405),
        ("POST", "/v2/health/live", 405),
        ("GET", INFER, 405),
        ("PUT", INFER, 405),
        ("GET", "/v2/repository/index", 405),
    ],
)
def test_what_is_not_a_route(server: ServerProcess, method: str, path: str, status: int) -> None:
    text = {404: "Not Found", 405: "Method Not Allowed"}[status]
    assert_error(server.request(method, path), status, text)


def test_the_path_is_not_decoded_and_the_query_is_ignored(server: ServerProcess) -> None:
    """X-13."""
    assert server.request("GET", "/v2/models/labelled?x=1/ready").status == 200
    text = "Request for unknown model: 'labe%6Cled' is not found"
    assert_error(server.request("GET", "/v2/models/labe%6Cled"), 400, text)


def test_head_is_answered_without_a_body(server: ServerProcess) -> None:
    reply = server.request("HEAD", "/v2")
    assert (reply.status, reply.body) == (405, b"")


@pytest.mark.parametrize("kind", ["system", "cuda"])
def test_client_shared_memory_is_off(server: ServerProcess, kind: str) -> None:
    """X-1, SHM-1."""
    base = f"/v2/{kind}sharedmemory"
    text = (
        "Client shared memory is disabled. "
        "Start the server with '--allow-client-shm=true' to enable."
    )
    assert server.request("GET", f"{base}/status").json == []
    unknown = f"Unable to find {kind} shared memory region: 'r'"
    assert_error(server.request("GET", f"{base}/region/r/status"), 404, unknown)
    assert_error(server.request("POST", f"{base}/region/r/register", {}), 501, text)
    assert_error(server.request("POST", f"{base}/region/r/unregister"), 501, text)
    assert_error(server.request("POST", f"{base}/unregister"), 501, text)


def test_json_in_and_out(server: ServerProcess) -> None:
    """H-35: plain JSON has its content type and no header length (X-11)."""
    reply = server.request("POST", INFER, json_request(id="7"))
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert "inference-header-content-length" not in reply.headers
    assert reply.json == {
        "id": "7",
        "model_name": "labelled",
        "model_version": "1",
        "outputs": [{"name": "OUTPUT0", "datatype": "FP32", "shape": [1, 4], "data": ROW.tolist()}],
    }


def test_binary_in_and_out(server: ServerProcess) -> None:
    """H-31, H-35, B-2."""
    body, headers = binary_request()
    reply = server.request("POST", INFER, body, headers)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/octet-stream"
    size = int(reply.headers["inference-header-content-length"])
    output = json.loads(reply.body[:size])["outputs"][0]
    assert output["parameters"] == {"binary_data_size": 16}
    assert reply.body[size:] == ROW.tobytes()


def test_an_empty_binary_output_has_no_header_length(server: ServerProcess) -> None:
    """X-11."""
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 0], "data": []}
    outputs = [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]
    path = "/v2/models/identity_fp32/infer"
    reply = server.request("POST", path, {"inputs": [tensor], "outputs": outputs})
    assert reply.status == 200
    assert "inference-header-content-length" not in reply.headers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "Unable to parse Inference-Header-Content-Length, got: x"),
        ("-1", "inference header size should be in range (0, {size}), got: -1"),
        ("99999", "inference header size should be in range (0, {size}), got: 99999"),
        (
            "99999999999999999999",
            "Unable to parse Inference-Header-Content-Length, value is out of range "
            "[ -2147483648, 2147483647 ], got: 99999999999999999999",
        ),
    ],
)
def test_a_bad_header_length(server: ServerProcess, value: str, text: str) -> None:
    """H-31."""
    body, _ = binary_request()
    reply = server.request("POST", INFER, body, {"Inference-Header-Content-Length": value})
    assert_error(reply, 400, text.format(size=len(body)))


def test_missing_and_surplus_bytes(server: ServerProcess) -> None:
    """B-1."""
    body, headers = binary_request()
    reply = server.request("POST", INFER, body[:-4], headers)
    text = "unexpected size for input 'INPUT0', expecting 4 additional bytes for model 'labelled'"
    assert_error(reply, 400, text)
    reply = server.request("POST", INFER, body + b"more", headers)
    assert_error(reply, 400, "unexpected additional input data for model 'labelled'")


def test_a_raw_binary_request(server: ServerProcess) -> None:
    """B-3, X-9."""
    headers = {"Inference-Header-Content-Length": "0"}
    reply = server.request("POST", INFER, ROW.tobytes(), headers)
    assert reply.status == 200, reply.body
    size = int(reply.headers["inference-header-content-length"])
    assert json.loads(reply.body[:size])["outputs"][0]["shape"] == [1, 4]
    assert reply.body[size:] == ROW.tobytes()
    reply = server.request("POST", "/v2/models/pair/infer", ROW.tobytes(), headers)
    assert reply.status == 400
    assert "Raw request must only have 1 input (found " in reply.error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"inputs": 1}',
        b'{"inputs": [1]}',
        b'{"inputs": [{"name": "INPUT0"}]}',
        b"\xff\xfe",
        json.dumps(json_request())[:-3].encode(),
        json.dumps(json_request(parameters={"triton_x": 1})).encode(),
    ],
)
def test_a_bad_body_is_the_clients_mistake(server: ServerProcess, body: bytes) -> None:
    reply = server.request("POST", INFER, body)
    assert reply.status == 400, reply.body
    assert reply.error


def test_json_that_is_nested_too_deep(server: ServerProcess) -> None:
    """H-26."""
    body = json.dumps(json_request())[:-1] + ', "x": ' + "[" * 101 + "]" * 101 + "}"
    text = "JSON nesting depth exceeds maximum allowed limit (100)"
    assert_error(server.request("POST", INFER, body), 400, text)


@pytest.mark.parametrize("data", [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_a_wrong_element_count_is_a_500(server: ServerProcess, data: list[float]) -> None:
    """H-41, X-7: what the contract says."""
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": data}
    reply = server.request("POST", INFER, {"inputs": [tensor]})
    assert reply.status == 500
    assert "shape does not match true shape" in reply.error.lower()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity", ""])
def test_request_compression(server: ServerProcess, encoding: str) -> None:
    """H-33, X-10: the header length is that of the JSON before compression."""
    body, headers = binary_request()
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)(body)
    headers["Content-Encoding"] = encoding
    reply = server.request("POST", INFER, packed, headers)
    assert reply.status == 200, reply.body
    assert reply.body.endswith(ROW.tobytes())


@pytest.mark.parametrize("encoding", ["br", "gzip, deflate", "zstd"])
def test_an_unknown_encoding(server: ServerProcess, encoding: str) -> None:
    """H-33, X-15."""
    reply = server.request("POST", INFER, b"x", {"Content-Encoding": encoding})
    assert_error(reply, 501, "Unsupported compression type")
    assert reply.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("gzip", "gzip"), ("deflate;q=0.9, gzip;q=0.1", "deflate"), ("br", ""), ("identity", "")],
)
def test_response_compression(server: ServerProcess, accept: str, encoding: str) -> None:
    """H-34: the whole reply, and the header length is that before compression."""
    body, headers = binary_request()
    reply = server.request("POST", INFER, body, headers | {"Accept-Encoding": accept})
    assert reply.headers.get("content-encoding", "") == encoding
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(encoding, bytes)
    message = unpack(reply.body)
    size = int(reply.headers["inference-header-content-length"])
    assert json.loads(message[:size])["model_name"] == "labelled"
    assert message[size:] == ROW.tobytes()


def test_a_decompression_bomb(server: ServerProcess) -> None:
    """H-25: more than --http-max-input-size once unpacked."""
    limit = 64 << 20
    packer = zlib.compressobj(1, wbits=31)
    chunk = bytes(1 << 20)
    bomb = b"".join(packer.compress(chunk) for _ in range(65)) + packer.flush()
    reply = server.request("POST", INFER, bomb, {"Content-Encoding": "gzip"})
    assert_error(
        reply,
        400,
        f"Decompressed data size exceeds the maximum allowed value of {limit} bytes. "
        "Use --http-max-input-size to increase the limit.",
    )


@pytest.mark.parametrize(
    "body", [b"plain", gzip.compress(b"{}" * 100)[:-9], b""], ids=["plain", "cut", "empty"]
)
def test_a_body_that_is_not_what_it_says(server: ServerProcess, body: bytes) -> None:
    reply = server.request("POST", INFER, body, {"Content-Encoding": "gzip"})
    assert reply.status == 400
    assert reply.error.startswith("Unable to decompress the request body")


def exchange(server: ServerProcess, data: bytes) -> bytes:
    """What the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def chunked(chunks: list[bytes]) -> bytes:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n".encode()
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"Connection: close\r\n\r\n" + body + b"0\r\n\r\n"


def test_a_chunked_body(server: ServerProcess) -> None:
    """H-27."""
    body = json.dumps(json_request()).encode()
    reply = exchange(server, chunked([body[at : at + 7] for at in range(0, len(body), 7)]))
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"model_name":"labelled"' in reply


def test_too_many_chunks(server: ServerProcess) -> None:
    """H-27: refused, and the connection ends."""
    reply = exchange(server, chunked([b" "] * 65_600))
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"Chunked request body exceeds maximum of 65536 non-empty chunks." in reply
    assert b"Connection: close\r\n" in reply


def test_expect_continue(server: ServerProcess) -> None:
    body = json.dumps(json_request()).encode()
    head = (
        f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        connection.sendall(head)
        file = connection.makefile("rb")
        assert file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert file.readline() == b"\r\n"
        connection.sendall(body)
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (b"nonsense\r\n\r\n", {b"400"}),
        (b"GET /v2 HTTP/1.1\r\nbad header\r\n\r\n", {b"400"}),
        (b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", {b"400"}),
        (
            b"GET /v2/models/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            {b"400"},
        ),
        # the Python frontend has one status for all
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {b"400", b"414"}),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 60_000 + b"\r\n\r\n", {b"400", b"431"}),
    ],
)
def test_what_is_not_http(server: ServerProcess, data: bytes, statuses: set[bytes]) -> None:
    """H-21: a JSON error, and the connection ends."""
    head, _, body = exchange(server, data).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] in statuses
    assert b"Content-Type: application/json" in head
    assert json.loads(body)["error"]


def test_a_body_that_is_too_large_is_not_read(server: ServerProcess) -> None:
    """The whole body has a bound of its own; binary data is not under --http-max-input-size."""
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {10 << 40}\r\n\r\n".encode()
    reply = exchange(server, head)
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"exceeds the maximum allowed size" in reply


def test_a_connection_is_kept_and_pipelining_answers_in_order(server: ServerProcess) -> None:
    live = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reply = exchange(server, live * 20 + last)
    assert reply.count(b"HTTP/1.1 200 OK\r\n") == 21
    assert reply.endswith(b"}")


def test_http_1_0(server: ServerProcess) -> None:
    assert b"Connection: close" in exchange(server, b"GET /v2 HTTP/1.0\r\n\r\n")
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(b"GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert b"Connection: keep-alive" in connection.recv(65536)


def failures(server: ServerProcess, model: str) -> dict[str, float]:
    values = server.metrics()
    key = f'nv_inference_request_failure{{model="{model}",reason="%s",version="1"}}'
    return {reason: values[key % reason] for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER")}


def test_a_client_that_leaves_cancels_its_request(server: ServerProcess) -> None:
    """H-30: a queued request of a closed connection never runs, and counts as CANCELED."""
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}
    body = json.dumps({"inputs": [tensor]}).encode()
    head = f"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    before = failures(server, "slow")["CANCELED"]
    connections = []
    for _ in range(4):
        connection = socket.create_connection(("127.0.0.1", server.http_port), timeout=10)
        connection.sendall(head.encode() + body)
        connections.append(connection)
    deadline = time.monotonic() + 10
    pending = 'nv_inference_pending_request_count{model="slow",version="1"}'
    while server.metrics()[pending] < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    for connection in connections:
        connection.close()
    while failures(server, "slow")["CANCELED"] <= before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert failures(server, "slow")["CANCELED"] > before


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_precision_is_binary_only(server: ServerProcess, datatype: str) -> None:
    """H-41, X-8: neither in nor out as JSON."""
    path = f"/v2/models/identity_{datatype.lower()}/infer"
    tensor = {"name": "INPUT0", "datatype": datatype, "shape": [1, 1], "data": [1.0]}
    text = (
        f"receiving {datatype} data via JSON is not supported. "
        "Please use the binary data format for input INPUT0"
    )
    assert_error(server.request("POST", path, {"inputs": [tensor]}), 400, text)
    del tensor["data"]
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 2}}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    reply = server.request("POST", path, head + b"\0\0", headers)
    assert reply.status == 400
    assert reply.error.startswith(f"sending {datatype} data via JSON is not supported.")
