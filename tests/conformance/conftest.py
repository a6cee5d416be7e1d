# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server for the whole suite, and a client for each way into it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from model_repository import STARTUP_MODELS, write_repository
from server_process import ServerProcess
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
