# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server for the whole suite, which has to survive all of it."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "conformance"))

from model_repository import write_repository
from server_process import ServerProcess
from survive import MIB, Serve, Survivor

MODELS = ("labelled", "slow", "batcher", "identity_fp32")


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with ExitStack() as servers:

        def start(
            *options: str, prefix: Sequence[str] = (), tls: ssl.SSLContext | None = None
        ) -> ServerProcess:
            server = _server(tmp_path_factory, *options)
            server.command[:0] = prefix
            server.tls = tls
            return servers.enter_context(server)

        yield start


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with _server(tmp_path_factory) as started:
        yield started


def _server(tmp_path_factory: pytest.TempPathFactory, *options: str) -> ServerProcess:
    root = tmp_path_factory.mktemp("models")
    write_repository(root)
    models = ["--model-control-mode=explicit", *(f"--load-model={name}" for name in MODELS)]
    log = tmp_path_factory.mktemp("log") / "server.log"
    return ServerProcess(root, log, "--debug-endpoints=true", *models, *options)


@pytest.fixture(scope="session")
def baseline(server: ServerProcess) -> Survivor:
    return Survivor(server)


@pytest.fixture
def survivor(baseline: Survivor) -> Iterator[Survivor]:
    """The server of the suite; the survival contract is checked behind the test."""
    baseline.mark()
    yield baseline
    baseline.check(max_growth_bytes=16 * MIB)
