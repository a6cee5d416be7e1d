# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`penstock models` against a server, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from server_process import ServerProcess

_TENSOR = {"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [-1]}


def models(server: ServerProcess, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "penstock", "models", f"--url={server.http_url}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def line(text: str, model: str) -> list[str]:
    rows = [row for row in text.splitlines() if row.startswith(f"| {model} ")]
    return [cell.strip() for cell in rows[-1].strip("|").split("|")]


def test_list_load_and_unload(server: ServerProcess) -> None:
    code, text = models(server, "list")
    assert (code, line(text, "unbatched")[1:3]) == (0, ["1", "READY"])
    assert line(text, "untried")[1:3] == ["-", "not loaded"]
    code, text = models(server, "load", "idle")
    assert code == 0
    assert text.startswith("loaded 'idle' in ")
    code, text = models(server, "list", "--json")
    (entry,) = [one for one in json.loads(text) if one["name"] == "idle"]
    assert entry["state"] == "READY"
    assert entry["load"]["seconds"] > 0
    assert {"fetch", "configure", "load", "instances"} <= set(entry["load"]["stages"])
    assert models(server, "unload", "idle") == (0, "unloaded 'idle'\n")


def test_load_with_files(server: ServerProcess, tmp_path: Path) -> None:
    output = _TENSOR | {"name": "OUTPUT0"}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"backend": "identity", "input": [_TENSOR], "output": [output]}))
    weights = tmp_path / "weights"
    weights.write_bytes(b"x")
    code, text = models(
        server, "load", "fresh", f"--config={config}", f"--file=1/weights={weights}"
    )
    assert (code, text.startswith("loaded 'fresh'")) == (0, True)
    assert models(server, "unload", "fresh")[0] == 0


def test_watch(server: ServerProcess) -> None:
    code, text = models(server, "watch", "--interval=0.1", "--count=2")
    assert code == 0
    assert text.count("| Model ") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("load", "nobody"), "failed to load 'nobody', failed to poll from model repository"),
        (("load", "idle", "--config=/none"), "No such file or directory"),
        (("load", "idle", "--file=x"), "--file has the form PATH=FILE"),
        (("load", "a/b"), ""),
    ],
)
def test_failures_are_one_line(
    server: ServerProcess, arguments: tuple[str, ...], message: str
) -> None:
    code, text = models(server, *arguments)
    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith("penstock models: ")
    assert message in text


def test_no_server(server: ServerProcess) -> None:
    command = [sys.executable, "-m", "penstock", "models", "--url=127.0.0.1:1", "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "no answer of http://127.0.0.1:1" in done.stderr
