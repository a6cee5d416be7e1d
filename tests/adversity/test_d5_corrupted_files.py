# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D5: model files that are cut, flipped, empty or hostile; the server says why and serves on."""

from __future__ import annotations

import base64
import json
import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from changing_models import answers, load, serve_folder, unload, write_identity
from model_repository import HAVE_ONNX, write_linear
from server_process import ServerProcess
from sizes import size

LOAD_S = 10.0
SEED = 20260
CUTS = size(8, 64)
FLIPS = size(8, 200)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("corrupted")
    write_identity(folder / "models", "steady", 1)
    options = ("--model-control-mode=explicit", "--load-model=steady")
    with serve_folder(folder / "models", folder / "log", *options) as started:
        pid = started.running.pid
        yield started
        assert started.running.poll() is None
        assert (started.running.pid, answers(started, "steady")) == (pid, "1")


def mutations(data: bytes) -> Iterator[bytes]:
    chance = random.Random(SEED)
    for number in range(CUTS):
        yield data[: len(data) * number // CUTS]
    for _ in range(FLIPS):
        flipped = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        yield bytes(flipped)
    yield b"\x7fELF" + data[4:]  # another format's magic
    yield data + bytes(1 << 16)
    for length in (2**31 - 1, 2**63 - 1):  # a field that says it is huge
        yield b"\x3a" + varint(length) + data[:64]
    yield struct.pack("<Q", 2**62) + data[8:]


def varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def try_to_load(server: ServerProcess, config: dict[str, object], **files: bytes) -> str:
    """The reason against it; "" when it was loaded, and is unloaded again."""
    parameters = {"config": json.dumps(config)}
    for path, data in files.items():
        parameters[f"file:1/{path.replace('__', '.')}"] = base64.b64encode(data).decode()
    began = time.monotonic()
    reply = load(server, "victim", parameters)
    assert time.monotonic() - began < LOAD_S
    if reply.status == 200:
        unload(server, "victim")
        return ""
    assert reply.status in (400, 500), reply.body
    assert reply.error
    return reply.error


@pytest.mark.skipif(not HAVE_ONNX, reason="needs onnx and onnxruntime")
def test_d5_onnx(server: ServerProcess, tmp_path: Path) -> None:
    write_linear(tmp_path / "1" / "model.onnx")
    data = (tmp_path / "1" / "model.onnx").read_bytes()
    config = {"backend": "onnxruntime"}
    assert try_to_load(server, config, model__onnx=data) == ""
    reasons = [try_to_load(server, config, model__onnx=bad) for bad in mutations(data)]
    assert sum(map(bool, reasons)) >= CUTS - 1
    assert answers(server, "steady") == "1"


@pytest.mark.skipif(not HAVE_ONNX, reason="needs onnx and onnxruntime")
@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "../../steady/config.pbtxt"])
def test_d5_external_data_stays_inside(server: ServerProcess, tmp_path: Path, place: str) -> None:
    import onnx

    write_linear(tmp_path / "1" / "model.onnx")
    model = onnx.load(tmp_path / "1" / "model.onnx")
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    reason = try_to_load(server, {"backend": "onnxruntime"}, model__onnx=model.SerializeToString())
    assert reason
    assert "root:" not in reason


@pytest.mark.parametrize(
    "source",
    [b"", b"\0", b"def (", b"raise SystemExit", b"import os.nothing", b"\xff\xfe", b"x" * 10**6],
)
def test_d5_python(server: ServerProcess, source: bytes) -> None:
    tensor = {"data_type": "TYPE_FP32", "dims": [4]}
    config = {
        "backend": "python",
        "input": [{"name": "INPUT0"} | tensor],
        "output": [{"name": "OUTPUT0"} | tensor],
    }
    assert try_to_load(server, config, model__py=source)
    assert answers(server, "steady") == "1"


def test_d5_configurations(server: ServerProcess) -> None:
    root = next(p for p in server.command if p.startswith("--model-repository=")).partition("=")[2]
    model = write_identity(Path(root), "configured", 1)
    good = (model / "config.pbtxt").read_bytes()
    for bad in mutations(good):
        (model / "config.pbtxt").write_bytes(bad)
        began = time.monotonic()
        reply = load(server, "configured")
        assert time.monotonic() - began < LOAD_S
        assert reply.status in (200, 400, 500)
        assert reply.status == 200 or reply.error
    (model / "config.pbtxt").write_bytes(b"x: {" * 200_000)
    assert load(server, "configured").status == 500
    (model / "config.pbtxt").write_bytes(good)
    assert load(server, "configured").status == 200
    assert answers(server, "steady") == "1"
