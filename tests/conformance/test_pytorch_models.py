# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""PyTorch models over a live server, by every client of the stock kind (5.3, 3.2)."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess
from ways import Way

torch = pytest.importorskip("torch")

STRINGS = """
platform: "pytorch_libtorch" max_batch_size: 4
input { name: "texts" data_type: TYPE_STRING dims: 1 }
output { name: "OUTPUT__0" data_type: TYPE_STRING dims: 1 }
"""
LINEAR = """
platform: "pytorch_libtorch" max_batch_size: 8 dynamic_batching { }
input { name: "INPUT__0" data_type: TYPE_FP32 dims: 4 }
output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: 3 }
"""
CODE = """
backend: "pytorch" runtime: "model.py" max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "y" data_type: TYPE_FP32 dims: 3 }
"""
SOURCE = """
import torch
class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Linear(4, 3))
    def forward(self, x):
        return {"y": self[0](x)}
"""
BAD = "backend: 'pytorch'" + CODE.partition("8")[2]


class Shout(torch.nn.Module):
    def forward(self, texts: list[str]) -> list[str]:
        return [text + "!" for text in texts]


def version_dir(root: Path, name: str, config: str = "") -> Path:
    """The folder of version 1 of a new model."""
    folder = root / name / "1"
    folder.mkdir(parents=True)
    if config:
        (root / name / "config.pbtxt").write_text(config)
    return folder


@pytest.fixture(scope="module")
def linear() -> Any:
    torch.manual_seed(7)
    return torch.nn.Linear(4, 3).eval()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, linear: Any) -> Path:
    """The same layer in four forms, a model of strings, and two that cannot be loaded."""
    root = tmp_path_factory.mktemp("torch_models")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(linear).save(str(version_dir(root, "script", LINEAR) / "model.pt"))
        torch.jit.script(Shout()).save(str(version_dir(root, "strings", STRINGS) / "model.pt"))
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(linear, (torch.rand(2, 4),), dynamic_shapes=shapes)
    torch.export.save(program, version_dir(root, "exported") / "model.pt2")
    code = version_dir(root, "code", CODE)
    (code / "model.py").write_text(SOURCE)
    torch.save({f"0.{key}": value for key, value in linear.state_dict().items()}, code / "model.pt")
    (version_dir(root, "pickled", BAD) / "model.pt").write_bytes(pickle.dumps({"a": 1}))
    (version_dir(root, "truncated", BAD) / "model.pt").write_bytes(
        (root / "script" / "1" / "model.pt").read_bytes()[:2000]
    )
    return root


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    options = ("--strict-readiness=false", "--exit-on-error=false")
    with pytest.MonkeyPatch.context() as patch:  # PyTorch alone takes seconds to import
        patch.setattr("server_process.START_DEADLINE_S", 120.0)
        with ServerProcess(repository, log, *options) as started:
            yield started


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("script", "INPUT__0", "OUTPUT__0"),
        ("exported", "input", "OUTPUT__0"),
        ("code", "x", "y"),
    ],
)
async def test_the_same_layer(way: Way, linear: Any, model: str, given: str, taken: str) -> None:
    array = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    answer = await way.infer(model, {given: array}, outputs=[taken])
    with torch.inference_mode():
        expected = linear(torch.from_numpy(array)).numpy()
    np.testing.assert_allclose(answer.arrays[taken], expected, atol=1e-6)


async def test_strings(protocol: Way) -> None:
    texts = np.array([["a"], ["gr\u00fc\u00dfe"]], dtype=object)
    answer = await protocol.infer("strings", {"texts": texts})
    shouted = [each.decode() for each in answer.arrays["OUTPUT__0"].ravel()]
    assert shouted == ["a!", "gr\u00fc\u00dfe!"]


def test_what_the_file_says_is_the_metadata(server: ServerProcess) -> None:
    metadata = server.request("GET", "/v2/models/exported").json
    assert metadata["platform"] == "torch_aoti"
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["outputs"] == [{"name": "OUTPUT__0", "datatype": "FP32", "shape": [-1, 3]}]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("pickled", "'pickled/1/model.pt' is a pickle. Pickles can run any code and are never"),
        ("truncated", "'truncated/1/model.pt' is a damaged or an unknown file, expected Torch"),
    ],
)
def test_bad_files_say_why(server: ServerProcess, model: str, reason: str) -> None:
    index = server.request("POST", "/v2/repository/index", b"{}").json
    (entry,) = [entry for entry in index if entry["name"] == model]
    assert entry["state"] == "UNAVAILABLE"
    assert reason in entry["reason"]
