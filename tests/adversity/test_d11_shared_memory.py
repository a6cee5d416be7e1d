# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D11: abuse of system shared memory (SHM-2 to SHM-8). Whoever shares memory can do all this."""

from __future__ import annotations

import itertools
import mmap
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_http import RawHttp
from server_process import Reply, ServerProcess
from sizes import report, size
from survive import MIB, Serve, Survivor, clients_fault, harmless

BASE = "/v2/systemsharedmemory"
FOLDER = Path("/dev/shm")
PAGE = mmap.PAGESIZE
TENSOR = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4]}
MAX = 2**64 - 1
#: The contract's own 500, of an object that is not there or none (SHM-2).
CANNOT_OPEN = "Unable to open shared memory region: "
#: An output that is larger than its window (SHM-6).
TOO_SMALL = "shared memory size specified with the request for output "


class Object:
    """A file of /dev/shm, which is what a POSIX shared memory object is."""

    _numbers = itertools.count()

    def __init__(self, size_bytes: int = PAGE) -> None:
        self.key = f"/d11-{os.getpid()}-{next(self._numbers)}"
        self.path = FOLDER / self.key[1:]
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.ftruncate(self.fd, size_bytes)

    def write(self, values: Any, offset: int = 0) -> None:
        os.pwrite(self.fd, np.asarray(values, np.float32).tobytes(), offset)

    def floats(self, count: int, offset: int = 0) -> list[float]:
        raw = os.pread(self.fd, 4 * count, offset)
        return [float(value) for value in np.frombuffer(raw, np.float32)]

    def close(self) -> None:
        os.close(self.fd)
        self.path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def survivor(serve: Serve) -> Iterator[Survivor]:
    """Is checked behind all of them: each alone would wait for quiet."""
    baseline = Survivor(serve("--allow-client-shm=true"))
    yield baseline
    baseline.check(max_growth_bytes=16 * MIB)


@pytest.fixture
def server(survivor: Survivor) -> Iterator[ServerProcess]:
    yield survivor.server
    unregister(survivor.server)


@pytest.fixture
def memory(server: ServerProcess) -> Iterator[Object]:
    made = Object()
    made.write(range(1024))
    yield made
    made.close()


def register(server: ServerProcess, name: str, **body: Any) -> Reply:
    return server.request("POST", f"{BASE}/region/{name}/register", body)


def unregister(server: ServerProcess, name: str = "") -> None:
    path = f"{BASE}/region/{name}/unregister" if name else f"{BASE}/unregister"
    assert server.request("POST", path).status == 200


def whole(server: ServerProcess, name: str, memory: Object, size_bytes: int = PAGE) -> None:
    reply = register(server, name, key=memory.key, byte_size=size_bytes)
    assert reply.status == 200, reply.body


def window(region: Any, size_bytes: Any = 16, offset: Any = 0) -> dict[str, Any]:
    return {
        "shared_memory_region": region,
        "shared_memory_byte_size": size_bytes,
        "shared_memory_offset": offset,
    }


def infer(
    server: ServerProcess,
    source: dict[str, Any],
    target: dict[str, Any] | None = None,
    model: str = "labelled",
) -> Reply:
    body: dict[str, Any] = {"inputs": [TENSOR | {"parameters": source}]}
    if target is not None:
        body["outputs"] = [{"name": "OUTPUT0", "parameters": target}]
    return server.request("POST", f"/v2/models/{model}/infer", body)


def refused(reply: Reply) -> None:
    """Clean: a client's mistake, or the contract's own word for it, and nothing of the inside."""
    known = reply.status == 500 and reply.error.startswith((CANNOT_OPEN, TOO_SMALL))
    assert known or clients_fault(reply.status), (reply.status, reply.body)
    harmless(reply.error)


SIZES = (0, 1, 15, 17, PAGE - 1, PAGE, PAGE + 1, 2**31, 2**32, 2**63 - 1, 2**63, MAX, -1, 1.5, "16")


@pytest.mark.parametrize(
    "size_bytes", [size for size in SIZES if size not in (1, 15, 17, PAGE - 1, PAGE)]
)
@pytest.mark.parametrize("field", ["byte_size", "offset"])
def test_d11_registered_sizes(
    server: ServerProcess, memory: Object, field: str, size_bytes: Any
) -> None:
    """Wraps, past the end, zero (of a size), unaligned (of an offset), not a number."""
    if (field, size_bytes) == ("offset", 0):
        pytest.skip("which is fine")
    refused(register(server, "r", **{"key": memory.key, "byte_size": 16} | {field: size_bytes}))
    assert server.request("GET", f"{BASE}/status").json == []


@pytest.mark.parametrize("offset", [1, 3, 64, PAGE - 1, PAGE // 2])
def test_d11_unaligned_offsets(server: ServerProcess, memory: Object, offset: int) -> None:
    refused(register(server, "r", key=memory.key, byte_size=16, offset=offset))


@pytest.mark.parametrize(("size_bytes", "offset"), [*itertools.product(SIZES, (0, 4, PAGE, MAX))])
def test_d11_windows(server: ServerProcess, memory: Object, size_bytes: Any, offset: Any) -> None:
    """Of inputs and of outputs: right where they fit to the byte, refused elsewhere."""
    whole(server, "r", memory)
    reply = infer(server, window("r", size_bytes, offset))
    refused(reply)  # 16 bytes are none of them
    target = infer(server, window("r"), window("r", size_bytes, offset))
    fits = isinstance(size_bytes, int) and size_bytes >= 16 and size_bytes + offset <= PAGE
    if fits:
        assert target.status == 200, target.body
    else:
        refused(target)


KEYS = (
    "",
    "/",
    "///",
    ".",
    "..",
    "/..",
    "../shm",
    "/../etc/passwd",
    "//etc/passwd",
    "/etc/passwd",
    "a/b",
    "/a/b",
    "no-such-object",
    "x" * 255,
    "x" * 5000,
    "/triton_python_backend_shm_region_0",
    "//triton_python_backend_shm_region_",
    "memfd:anything",
    "/proc/self/mem",
    "a\0b",
    "\u202e",
    " ",
    "%2e%2e",
)


@pytest.mark.parametrize("key", KEYS)
def test_d11_keys(server: ServerProcess, key: str) -> None:
    """Unknown, reserved, and those that lead elsewhere."""
    reply = register(server, "r", key=key, byte_size=16)
    assert clients_fault(reply.status) or reply.error.startswith(CANNOT_OPEN)
    assert server.request("GET", f"{BASE}/status").json == []


@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["k"]])
def test_d11_keys_that_are_none(server: ServerProcess, value: Any) -> None:
    refused(register(server, "r", key=value, byte_size=16))


@pytest.mark.parametrize("kind", ["symlink", "folder", "fifo", "socket"])
def test_d11_what_is_no_object(server: ServerProcess, memory: Object, kind: str) -> None:
    name = f"d11-{kind}-{os.getpid()}"
    path = FOLDER / name
    opened = socket.socket(socket.AF_UNIX)
    match kind:
        case "symlink":
            path.symlink_to(memory.path)
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "socket":
            opened.bind(str(path))
    try:
        reply = register(server, "r", key=name, byte_size=16)
        assert reply.error == f"{CANNOT_OPEN}'{name}'"
    finally:
        opened.close()
        path.rmdir() if kind == "folder" else path.unlink()


@pytest.mark.parametrize("name", ["", "s", "R", "r ", "r\0", "../r", "x" * 5000, "\u202e"])
def test_d11_unknown_regions(server: ServerProcess, memory: Object, name: str) -> None:
    whole(server, "r", memory)
    refused(infer(server, window(name)))
    refused(infer(server, window("r"), window(name)))


@pytest.mark.parametrize("region", [None, 1, [], {}])
def test_d11_regions_of_other_types(server: ServerProcess, region: Any) -> None:
    refused(infer(server, window(region)))


def test_d11_deleted_and_made_again(server: ServerProcess, memory: Object) -> None:
    """A region is the object that it was, whatever has its name now."""
    whole(server, "r", memory)
    memory.path.unlink()
    assert infer(server, window("r")).json["outputs"][0]["data"] == [0, 1, 2, 3]
    other = os.open(memory.path, os.O_RDWR | os.O_CREAT, 0o600)
    os.close(other)
    assert infer(server, window("r")).json["outputs"][0]["data"] == [0, 1, 2, 3]


def test_d11_shortened_behind_its_registration(server: ServerProcess) -> None:
    memory = Object(4 * PAGE)
    whole(server, "r", memory, 4 * PAGE)
    for length in (3 * PAGE, PAGE, 1, 0):
        os.ftruncate(memory.fd, length)
        for offset in (0, PAGE, 4 * PAGE - 16):
            refused(infer(server, window("r", offset=offset)))
            refused(infer(server, window("r"), window("r", offset=offset)))
    memory.close()


def test_d11_shortened_and_changed_while_it_is_used(server: ServerProcess) -> None:
    """No SIGBUS, whatever moment the client chooses: an answer, right or of zeros, or a refusal."""
    memory = Object(2 * PAGE)
    body = {"inputs": [TENSOR | {"shape": [1, PAGE // 4], "parameters": window("r", PAGE, PAGE)}]}
    done = threading.Event()

    def shorten() -> None:
        for length in itertools.cycle((2 * PAGE, PAGE, 0, 2 * PAGE, 2 * PAGE)):
            if done.is_set():
                return
            os.ftruncate(memory.fd, length)

    thread = threading.Thread(target=shorten)
    thread.start()
    statuses = set()
    try:
        for _ in range(size(300, 5000)):
            register(server, "r", key=memory.key, byte_size=2 * PAGE)
            for model in ("identity_fp32", "batcher"):
                reply = server.request("POST", f"/v2/models/{model}/infer", body)
                statuses.add(reply.status)
                if reply.status != 200:
                    refused(reply)
            unregister(server, "r")
    finally:
        done.set()
        thread.join()
        memory.close()
    report(f"D11: statuses {statuses}")


def test_d11_strings_that_change_while_they_are_read(server: ServerProcess) -> None:
    """Their lengths are looked at once: nothing is read past them."""
    memory = Object()
    view = mmap.mmap(memory.fd, PAGE)
    done = threading.Event()

    def change() -> None:
        for value in itertools.cycle((12, 2**31, 2**32 - 1, 0)):
            if done.is_set():
                return
            struct.pack_into("<I", view, 0, value)

    whole(server, "r", memory)
    tensor = {"name": "INPUT0", "datatype": "BYTES", "shape": [1, 1], "parameters": window("r")}
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(size(60, 5000)):
            path = "/v2/models/labelled/infer"
            refused(server.request("POST", path, {"inputs": [tensor]}))
    finally:
        done.set()
        thread.join()
    view.close()
    memory.close()


@pytest.mark.parametrize("offset", [0, 4, 8, 15, 16, 32])
def test_d11_inputs_and_outputs_that_overlap(
    server: ServerProcess, memory: Object, offset: int
) -> None:
    whole(server, "r", memory)
    reply = infer(server, window("r", 16, 0), window("r", 16, offset))
    assert reply.status == 200, reply.body
    assert memory.floats(4, offset) == [0, 1, 2, 3]


@pytest.mark.parametrize("size_bytes", [0, 1, 4, 15])
def test_d11_outputs_that_do_not_fit(
    server: ServerProcess, memory: Object, size_bytes: int
) -> None:
    whole(server, "r", memory)
    refused(infer(server, window("r"), window("r", size_bytes, 512)))
    assert memory.floats(4, 512) == [128, 129, 130, 131]


def test_d11_unregistered_while_it_is_used(server: ServerProcess, memory: Object) -> None:
    """What was sent is answered; the region goes with the last answer (SHM-5)."""
    body = (
        b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,1],"parameters":'
        b'{"shared_memory_region":"r","shared_memory_byte_size":4}}]}'
    )
    head = b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    for _ in range(size(4, 1000)):
        whole(server, "r", memory)
        clients = [RawHttp(server.http_port) for _ in range(3)]
        for client in clients:
            client.send(head % len(body) + body)
        unregister(server)
        for client in clients:
            assert client.reply()[0] in (200, 404)
            client.leave()


def test_d11_many_registrations(server: ServerProcess, memory: Object) -> None:
    """Good ones and bad ones leave nothing behind."""
    for number in range(size(300, 10_000)):
        whole(server, "r", memory)
        unregister(server, "r")
        refused(register(server, "r", key="nobody's", byte_size=16))
        refused(register(server, "r", key=memory.key, byte_size=PAGE + 1 + number))


def test_d11_regions_are_bounded(server: ServerProcess, memory: Object) -> None:
    for number in range(1024):
        whole(server, f"r{number}", memory)
    full = register(server, "more", key=memory.key, byte_size=16)
    assert full.status == 503
    assert "there are 1024 already" in full.error
    assert infer(server, window("r1023")).status == 200


def test_d11_registration_is_refused_where_it_is_off(serve: Serve, memory: Object) -> None:
    off = serve()
    for reply in (
        register(off, "r", key=memory.key, byte_size=16),
        off.request("POST", f"{BASE}/unregister"),
        off.request("POST", f"{BASE}/region/r/unregister"),
    ):
        assert (reply.status, "--allow-client-shm=true" in reply.error) == (501, True)
    refused(infer(off, window("r")))
