# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D8, D9: disks that are full or read-only, and starts that cannot be."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from pathlib import Path

import pytest
from changing_models import answers, index, load, serve_folder, write_identity

MIB = 1 << 20
CONFIG = {
    "backend": "identity",
    "max_batch_size": 8,
    "input": [{"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [4]}],
    "output": [{"name": "OUTPUT0", "data_type": "TYPE_FP32", "dims": [4]}],
}


def with_file(size: int) -> dict[str, str]:
    data = base64.b64encode(bytes(size)).decode()
    return {"config": json.dumps(CONFIG), "file:1/weights": data}


def test_d8_files_of_a_load_that_the_disk_does_not_take(tmp_path: Path) -> None:
    root = tmp_path / "models"
    write_identity(root, "m", 1)
    server = serve_folder(root, tmp_path / "log", "--model-control-mode=explicit", "--load-model=m")
    server.command[:0] = ["prlimit", f"--fsize={4 * MIB}"]
    with server:
        for _ in range(3):
            reply = load(server, "m", with_file(8 * MIB))
            assert reply.status == 500
            assert "failed to write the files of model 'm'" in reply.error
            assert list(server.temporary.glob("penstock-model-*")) == []
            assert answers(server, "m") == "1"
        ((version, state, reason),) = index(server, "m")
        assert (version, state) == ("1", "READY")
        assert "failed to write" in reason
        assert load(server, "m", with_file(MIB)).status == 200
        assert answers(server, "m") == "1"


@pytest.mark.parametrize("size", [MIB, 32 * MIB])
def test_d8_oversized_files_of_a_load(tmp_path: Path, size: int) -> None:
    root = tmp_path / "models"
    write_identity(root, "m", 1)
    options = ("--model-control-mode=explicit", "--load-model=m")
    limit = f"--http-max-input-size={16 * MIB}"
    with serve_folder(root, tmp_path / "log", *options, limit) as server:
        reply = load(server, "m", with_file(size))
        assert (reply.status == 200) is (size == MIB)
        assert reply.status < 500
        assert answers(server, "m") == "1"


# ---------------------------------------------------------------- starts (D9)


def test_d9_starts_that_cannot_be_say_why(tmp_path: Path) -> None:
    root = tmp_path / "models"
    write_identity(root, "m", 1)
    (tmp_path / "file").write_text("no folder")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cases = {
            (f"--http-port={port}",): str(port),
            ("--http-address=203.0.113.7",): "203.0.113.7",
            ("--http-use-ssl=true", "--http-server-cert=/none", "--http-server-key=/none"): "/none",
            (f"--model-repository={tmp_path / 'file'}",): str(tmp_path / "file"),
            ("--model-repository=s3://",): "s3://bucket/path",
            (
                "--model-repository=gs://bucket/x",
                f"--model-cache-directory={tmp_path / 'file'}/x",
            ): "the model cache",
        }
        for options, named in cases.items():
            server = serve_folder(root, tmp_path / "log", *options)
            began = time.monotonic()
            server.start()
            assert server.running.wait(20) == 1, server.log
            assert named in server.log.splitlines()[-1], server.log
            assert "Traceback" not in server.log
            assert time.monotonic() - began < 15
    assert os.listdir(root) == ["m"]
