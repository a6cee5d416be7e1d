# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Names that lead elsewhere, in every field that has a name (R-33, reliability 1.2)."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from changing_models import answers, load, serve_folder, write_identity
from server_process import ServerProcess
from survive import clients_fault, harmless
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

SECRET = "a secret beside the repository"
NAMES = (
    "..",
    ".",
    "../outside",
    "../../etc",
    "/etc",
    "steady/../../outside",
    "steady/1",
    "a/b",
    "\0",
    "steady\0",
    "~",
    "%2e%2e",
    "..\\outside",
    "x" * 5000,
    "",
    " ",
    "\u202e",
    "::steady",
)
TENSOR = {"data_type": "TYPE_FP32", "dims": [4]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("names")
    write_identity(folder / "models", "steady", 1)
    write_identity(folder, "outside", 1)
    (folder / "outside" / "labels.txt").write_text(SECRET)
    options = ("--model-control-mode=explicit", "--load-model=steady")
    with serve_folder(folder / "models", folder / "log", *options) as started:
        yield started
        assert answers(started, "steady") == "1"
        assert SECRET not in started.log
        assert sorted(path.name for path in (folder / "models").iterdir()) == ["steady"]


@pytest.mark.parametrize("name", NAMES)
def test_model_names_over_http(server: ServerProcess, name: str) -> None:
    quoted = urllib.parse.quote(name, safe="")
    for method, path in (
        ("POST", f"/v2/repository/models/{quoted}/load"),
        ("POST", f"/v2/models/{quoted}/infer"),
        ("GET", f"/v2/models/{quoted}"),
        ("GET", f"/v2/models/{quoted}/config"),
        ("GET", f"/v2/models/{quoted}/stats"),
    ):
        reply = server.request(method, path, {} if method == "POST" else None)
        harmless(reply.body)
        # A folder that is not there is the repository's matter, and the contract's 500 (REP-2).
        unknown = reply.status == 500 and b"failed to poll from model repository" in reply.body
        assert clients_fault(reply.status) or unknown, (path, reply.status, reply.body)
        assert b"root:" not in reply.body
    assert server.request("POST", f"/v2/repository/models/{quoted}/unload").status < 500


@pytest.mark.parametrize("name", [name for name in NAMES if name])
def test_model_names_over_grpc(server: ServerProcess, name: str) -> None:
    with InferenceServerClient(server.grpc_url) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.load_model(name)
        harmless(caught.value.message() or "")
        client.unload_model(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"~", "%2e%2e", " "}])
def test_file_names(server: ServerProcess, name: str) -> None:
    config = {"backend": "identity", "input": [{"name": "INPUT0"} | TENSOR]}
    config["output"] = [{"name": "OUTPUT0"} | TENSOR]
    parameters = {"config": json.dumps(config), f"file:{name}": base64.b64encode(b"x").decode()}
    reply = load(server, "written", parameters)
    harmless(reply.body)
    assert reply.status in (400, 500)
    # what stays within the folder is a file, and yet no version of the model
    assert reply.status == 400 or "no version is available" in reply.error, reply.body
    assert list(server.temporary.glob("penstock-model-*")) == []


@pytest.mark.parametrize("name", ["../../outside/labels.txt", "/etc/passwd", "../labels.txt"])
@pytest.mark.parametrize("field", ["label", "warmup", "model_file", "cc_file"])
def test_names_in_configurations(server: ServerProcess, field: str, name: str) -> None:
    output: dict[str, Any] = {"name": "OUTPUT0"} | TENSOR
    config: dict[str, Any] = {
        "backend": "python" if field.endswith("file") else "identity",
        "input": [{"name": "INPUT0"} | TENSOR],
        "output": [output],
    }
    if field == "label":
        output["label_filename"] = name
    elif field == "warmup":
        sample = TENSOR | {"input_data_file": name}
        config["model_warmup"] = [{"name": "w", "batch_size": 1, "inputs": {"INPUT0": sample}}]
    elif field == "model_file":
        config["default_model_filename"] = name
    else:
        config["cc_model_filenames"] = {"7.5": name}
    reply = load(server, "steady", {"config": json.dumps(config)})
    harmless(reply.body.replace(name.encode(), b""))
    assert reply.status in (400, 500), reply.body
    assert SECRET.encode() not in reply.body
    assert answers(server, "steady") == "1"


def test_links_in_a_repository_are_followed_by_choice(server: ServerProcess) -> None:
    """A link is the owner's decision: it is what a repository of links is made of."""
    root = Path(next(p for p in server.command if "--model-repository=" in p).partition("=")[2])
    link = root / "linked"
    link.symlink_to(root.parent / "outside")
    assert load(server, "linked").status in (200, 500)
    server.request("POST", "/v2/repository/models/linked/unload")
    link.unlink()
