# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server for the whole suite, and a client for each way into it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from model_repository import STARTUP_MODELS, write_repository
from otlp_collector import Collector
from server_process import Serve, ServerProcess
from ways import WAYS, Way


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_repository(root)
    return root


#: Modules whose subject is the data plane itself run over both; the others over the default.
BOTH_PLANES = {
    "test_generate",
    "test_header_rules",
    "test_http_transport",
    "test_grpc_transport",
    "test_infer_errors",
    "test_classification",
    "test_decoupled",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """PENSTOCK_DATA_PLANE=native or python: everything over that one."""
    if "data_plane" not in metafunc.fixturenames:
        return
    planes = ["native", "python"] if metafunc.module.__name__ in BOTH_PLANES else ["native"]
    if chosen := os.environ.get("PENSTOCK_DATA_PLANE"):
        planes = [chosen]
    metafunc.parametrize("data_plane", planes, scope="session")


@pytest.fixture(scope="session")
def server(
    data_plane: str, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    options = ["--model-control-mode=explicit", "--strict-readiness=false"]
    options.append(f"--data-plane={data_plane}")
    options += [f"--load-model={name}" for name in STARTUP_MODELS]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(repository, log, *options) as started:
        yield started


@pytest.fixture(params=WAYS)
async def way(request: pytest.FixtureRequest, server: ServerProcess) -> AsyncIterator[Way]:
    """Each way in turn."""
    made = WAYS[request.param](server)
    yield made
    await made.close()


@pytest.fixture(params=["http-binary", "grpc", "http-aio", "grpc-aio"])
async def protocol(request: pytest.FixtureRequest, server: ServerProcess) -> AsyncIterator[Way]:
    """Each client in turn, for what does not depend on how tensors are written."""
    made = WAYS[request.param](server)
    yield made
    await made.close()


@pytest.fixture
def serve(repository: Path, tmp_path: Path) -> Iterator[Serve]:
    """Starts servers of the module's repository that trace; they end with the test."""
    with ExitStack() as running:
        logs = count()

        def start(*config: str, plane: str = "native") -> ServerProcess:
            options = [f"--trace-config={setting}" for setting in config]
            options.append(f"--data-plane={plane}")
            server = ServerProcess(repository, tmp_path / f"log{next(logs)}", *options)
            return running.enter_context(server)

        yield start


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()
