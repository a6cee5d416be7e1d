# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server for the whole suite, and a client for each way into it."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = ["--model-control-mode=explicit", "--strict-readiness=false"]
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
