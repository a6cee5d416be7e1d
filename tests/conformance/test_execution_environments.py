# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Models with execution environments (contract 5.1), as tritonclient sees them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from environment_models import (
    pack,
    requirements,
    write_environment,
    write_model,
    write_wheel,
)
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

TIMEOUT_S = 60
IN_MODEL = "$$TRITON_MODEL_DIRECTORY"


class Said(NamedTuple):
    """What a model has found."""

    version: str
    prefix: str
    numpy: str
    model_dir: str
    virtual_env: str


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("environments")
    models, wheels = root / "models", root / "wheels"
    for version in ("1.0", "2.0"):
        write_wheel(wheels, version)
    for name, version in (("one", "1.0"), ("two", "2.0"), ("one_too", "1.0"), ("none", "3.0")):
        folder = write_model(models, name, f"{IN_MODEL}/requirements.txt")
        (folder / "requirements.txt").write_text(requirements(wheels, version))
    write_environment(root / "folder", "4.0")
    write_model(models, "folder", str(root / "folder"))
    write_environment(root / "packed", "5.0")
    folder = write_model(models, "archive", f"{IN_MODEL}/environment.tar.gz")
    pack(root / "packed", folder / "environment.tar.gz")
    write_model(models, "here", str(root / "folder"), EXECUTION_MODE="in_process")
    write_model(models, "foreign", str(root / "foreign"))
    python = root / "foreign" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho \'["3.9.18", ".cpython-39-x86_64-linux-gnu.so", "", ""]\'\n')
    python.chmod(0o755)
    write_environment(root / "broken", "6.0")
    (packages,) = (root / "broken").glob("lib/python3*/site-packages")
    (packages / "numpy.py").write_text("raise ImportError('numpy of another platform')")
    write_model(models, "broken", str(root / "broken"))
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[ServerProcess]:
    options = [
        "--model-control-mode=explicit",
        f"--environment-cache-directory={root / 'cache'}",
        "--load-model=one",
        "--load-model=two",
        "--load-model=one_too",
    ]
    with ServerProcess(root / "models", root / "server.log", *options) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[grpc_client.InferenceServerClient]:
    with grpc_client.InferenceServerClient(server.grpc_url) as made:
        yield made


def ask(client: grpc_client.InferenceServerClient, model: str, x: int = 0) -> Said:
    tensor = grpc_client.InferInput("X", [1], "INT32")
    tensor.set_data_from_numpy(np.array([x], np.int32))
    answer = client.infer(model, [tensor], client_timeout=TIMEOUT_S)
    return Said(*(text.decode() for text in answer.as_numpy("SAID")))


def refusal(client: grpc_client.InferenceServerClient, model: str) -> str:
    with pytest.raises(InferenceServerException) as caught:
        client.load_model(model, client_timeout=TIMEOUT_S)
    message: str = caught.value.message()
    return message


def test_conflicting_versions_side_by_side(
    client: grpc_client.InferenceServerClient, root: Path
) -> None:
    said = {model: ask(client, model) for model in ("one", "two", "one")}
    assert {model: each.version for model, each in said.items()} == {"one": "1.0", "two": "2.0"}
    for model, each in said.items():
        assert Path(each.prefix).parent == root / "cache"
        assert each.virtual_env == each.prefix
        assert each.model_dir == str(root / "models" / model / "1")
        assert not each.numpy.startswith(each.prefix)  # lent by the server: they have none


def test_equal_requirements_are_built_once(
    client: grpc_client.InferenceServerClient, server: ServerProcess
) -> None:
    assert ask(client, "one").prefix == ask(client, "one_too").prefix
    assert server.log.count("was built in") == 2
    assert "requirements.txt: Successfully installed conflicted-1.0" in server.log


def test_it_is_there_for_the_next_server(root: Path, server: ServerProcess) -> None:
    """Another server, beside the first: nothing is built."""
    options = [f"--environment-cache-directory={root / 'cache'}", "--model-control-mode=explicit"]
    log = root / "next.log"
    with ServerProcess(root / "models", log, *options, "--load-model=two") as started:
        with grpc_client.InferenceServerClient(started.grpc_url) as made:
            assert ask(made, "two").version == "2.0"
        assert "was built in" not in started.log


def test_a_process_that_is_started_again(client: grpc_client.InferenceServerClient) -> None:
    before = ask(client, "two")
    with pytest.raises(InferenceServerException):
        ask(client, "two", -1)
    assert ask(client, "two") == before


def test_a_folder(client: grpc_client.InferenceServerClient, root: Path) -> None:
    client.load_model("folder", client_timeout=TIMEOUT_S)
    assert ask(client, "folder")[:2] == ("4.0", str(root / "folder"))


def test_an_archive(client: grpc_client.InferenceServerClient, root: Path) -> None:
    """Unpacked once, also when the model is loaded again."""
    prefixes = set()
    for _ in range(2):
        client.load_model("archive", client_timeout=TIMEOUT_S)
        said = ask(client, "archive")
        assert said.version == "5.0"
        prefixes.add(said.prefix)
        client.unload_model("archive")
    (prefix,) = prefixes
    assert Path(prefix).name.startswith("archive-")


def test_a_version_that_pip_does_not_find(
    client: grpc_client.InferenceServerClient, root: Path
) -> None:
    """pip's own words are in the error and in the index, and nothing is left."""
    before = sorted(path for path in (root / "cache").iterdir() if path.is_dir())
    message = refusal(client, "none")
    assert f"execution environment '{root}/models/none/requirements.txt' of model 'none'" in message
    assert "No matching distribution found for conflicted==3.0" in message
    index = client.get_model_repository_index(as_json=True)["models"]
    (entry,) = (model for model in index if model["name"] == "none")
    assert entry["state"] == "UNAVAILABLE"
    assert "No matching distribution" in entry["reason"]
    assert sorted(path for path in (root / "cache").iterdir() if path.is_dir()) == before


def test_another_python(client: grpc_client.InferenceServerClient) -> None:
    message = refusal(client, "foreign")
    assert "it has Python 3.9.18 (cpython-39-x86_64-linux-gnu) and no Penstock" in message
    assert "Install it there" in message


def test_packages_that_cannot_be_imported(client: grpc_client.InferenceServerClient) -> None:
    message = refusal(client, "broken")
    assert "cannot run a worker: ImportError: numpy of another platform" in message


def test_in_the_servers_own_process(client: grpc_client.InferenceServerClient) -> None:
    message = refusal(client, "here")
    assert "EXECUTION_ENV_PATH is for worker processes" in message
    assert "set parameter EXECUTION_MODE to 'process'" in message


def test_pip_ends_with_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is killed leaves no pip, and nothing that is taken for an environment."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    models, cache = tmp_path / "models", tmp_path / "cache"
    folder = write_model(models, "slow", f"{IN_MODEL}/requirements.txt")
    with socket.create_server(("127.0.0.1", 0)) as index:
        index.settimeout(TIMEOUT_S)
        wheel = f"http://127.0.0.1:{index.getsockname()[1]}/conflicted-1.0-py3-none-any.whl"
        (folder / "requirements.txt").write_text(f"conflicted @ {wheel}\n")
        server = ServerProcess(models, tmp_path / "log", f"--environment-cache-directory={cache}")
        server.start()
        try:
            pip, _ = index.accept()
        finally:
            server.kill()
        with pip:
            pip.settimeout(TIMEOUT_S)
            while pip.recv(4096):
                pass  # until the kernel has closed its end
    assert not list(cache.glob("*.ready"))
