# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server on examples/models for all tests of the examples."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from example_server import MODELS, Server, free_addresses, wait_until_ready

#: the console script `penstock`, of the Python that runs the tests
COMMAND = "import sys; from penstock.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server, as a user starts it; it must end cleanly too."""
    for generated in ("digits/1/model.onnx", "digits/test_split.json", "resnet50/1/model.onnx"):
        assert (MODELS / generated).exists(), f"{generated} is missing: make models"
    server = Server(*free_addresses(3))
    ports = [address.rpartition(":")[2] for address in (server.http, server.grpc, server.metrics)]
    command = [sys.executable, "-c", COMMAND, "serve"]
    command += ["--model-repository", str(MODELS), "--http-port", ports[0]]
    command += ["--grpc-port", ports[1], "--metrics-port", ports[2]]
    with subprocess.Popen(command) as process:
        try:
            wait_until_ready(process, server)
            yield server
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=40) == 0
        finally:
            process.kill()
