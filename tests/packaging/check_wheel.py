# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Proves that an installed wheel serves: run by the Python of the venv that it is installed in.

    python tests/packaging/check_wheel.py dist/penstock-*.whl

Checks the wheel's size and that its native libraries are inside, then starts `penstock serve` on a
repository with a native and a Python model, asks each for one inference, and stops the server.
Needs nothing but the standard library and the wheel. Exit status 0 when all of it held.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MAX_WHEEL_BYTES = 10_000_000
START_TIMEOUT_S = 30.0
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "models"
MODELS = ("identity", "add_sub")
#: what every Linux that the wheel's tag names has
SYSTEM = re.compile(r"(linux-vdso|/lib64/ld-linux|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|z)\.so)")


def check_contents(wheel: Path) -> None:
    """The size, and where the dynamic linker finds the extension's libraries."""
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size} bytes")
    assert size <= MAX_WHEEL_BYTES, f"larger than {MAX_WHEEL_BYTES} bytes"
    spec = importlib.util.find_spec("penstock._engine")
    assert spec is not None and spec.origin is not None
    extension = Path(spec.origin)
    site = extension.parents[1]
    assert Path(sys.prefix) in site.parents, f"{extension} is not the wheel's"
    linked = subprocess.run(["ldd", str(extension)], check=True, capture_output=True, text=True)
    libraries = [line.strip() for line in linked.stdout.splitlines()]
    outside = [line for line in libraries if str(site) not in line and not SYSTEM.match(line)]
    assert not outside, f"linked from outside: {outside}"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def post(url: str, body: dict[str, Any]) -> Any:
    """The JSON answer to a JSON request."""
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    """Polls readiness; raises when the server ends or takes too long."""
    give_up = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up:
        assert server.poll() is None, f"the server ended with status {server.returncode}"
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/v2/health/ready", timeout=1).close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"not ready within {START_TIMEOUT_S} s")


def fp32(name: str, shape: list[int], data: list[float]) -> dict[str, Any]:
    """An input tensor of the v2 protocol."""
    return {"name": name, "datatype": "FP32", "shape": shape, "data": data}


def check_answers(url: str) -> None:
    """One inference of each model."""
    answer = post(
        f"{url}/v2/models/identity/infer", {"inputs": [fp32("INPUT0", [1, 3], [1.5, -2.0, 3.25])]}
    )
    assert answer["outputs"][0]["data"] == [1.5, -2.0, 3.25], answer
    left, right = [1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]
    answer = post(
        f"{url}/v2/models/add_sub/infer",
        {"inputs": [fp32("INPUT0", [4], left), fp32("INPUT1", [4], right)]},
    )
    data = {output["name"]: output["data"] for output in answer["outputs"]}
    expected = {"OUTPUT0": [11.0, 22.0, 33.0, 44.0], "OUTPUT1": [-9.0, -18.0, -27.0, -36.0]}
    assert data == expected, answer


def serve_and_ask(repository: Path) -> None:
    """Starts the server, asks it, and wants a clean end on SIGTERM."""
    http, grpc, metrics = free_ports(3)
    command = [str(Path(sys.executable).parent / "penstock"), "serve"]
    command += ["--model-repository", str(repository), "--http-port", str(http)]
    command += ["--grpc-port", str(grpc), "--metrics-port", str(metrics)]
    url = f"http://127.0.0.1:{http}"
    with subprocess.Popen(command, cwd=repository) as server:
        try:
            wait_until_ready(server, url)
            check_answers(url)
            server.send_signal(signal.SIGTERM)
            status = server.wait(timeout=40)
            assert status == 0, f"the server ended with status {status}"
        finally:
            server.kill()


def main(wheel: Path) -> None:
    """Runs every check; raises on the first that fails."""
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            shutil.copytree(EXAMPLES / model, Path(folder) / model)
        serve_and_ask(Path(folder))
    print("the wheel serves")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
