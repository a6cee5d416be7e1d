# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One server for the whole suite, which has to survive all of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "conformance"))

from model_repository import write_repository
from server_process import ServerProcess

MODELS = ("labelled", "slow", "batcher")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("models")
    write_repository(root)
    options = ["--model-control-mode=explicit", *(f"--load-model={name}" for name in MODELS)]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(root, log, *options) as started:
        yield started
