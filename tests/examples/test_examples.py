# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The clients of examples/ and the README's requests, run as a reader would run them."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from example_server import MODELS, ROOT, Server

CLIENTS = ROOT / "examples" / "clients"
README = (ROOT / "README.md").read_text()


def run(*command: str) -> str:
    """What the command prints; it must succeed."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def block(language: str, containing: str) -> str:
    """The README's code block in this language that contains the text."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(b for b in blocks if containing in b)


@pytest.mark.parametrize("client", ["http_sync", "http_asyncio", "grpc_sync", "grpc_asyncio"])
def test_clients_reach_scikit_learns_accuracy(server: Server, client: str) -> None:
    url = server.http if client.startswith("http") else server.grpc
    printed = run(sys.executable, str(CLIENTS / f"{client}.py"), "--url", url)
    expected = json.loads((MODELS / "digits" / "test_split.json").read_text())["accuracy"]
    assert expected > 0.95
    assert printed.startswith(f"accuracy {expected:.4f} on 450 images")


def test_curl_client(server: Server) -> None:
    printed = run(str(CLIENTS / "curl.sh"), server.http)
    assert '"data":[11.0,22.0,33.0,44.0]' in printed
    label = re.search(r'"data":\["(\d\.\d+):0:zero"', printed)
    assert label is not None, printed
    assert float(label.group(1)) > 0.9


def test_readme_curl(server: Server) -> None:
    command = block("bash", "add_sub/infer").replace("localhost:8000", server.http)
    outputs = {o["name"]: o["data"] for o in json.loads(run("bash", "-c", command))["outputs"]}
    assert outputs == {"OUTPUT0": [11, 22, 33, 44], "OUTPUT1": [-9, -18, -27, -36]}


def test_readme_tritonclient(server: Server) -> None:
    program = block("python", "tritonclient").replace("localhost:8000", server.http)
    printed = run(sys.executable, "-c", program)
    assert printed.split() == ["[11.", "22.", "33.", "44.]", "[", "-9.", "-18.", "-27.", "-36.]"]
