# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Modules beside model.py, in a worker process: by any kind of look-up, as in Triton's stub."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import Reply, ServerProcess

_CONFIG = """
backend: "python"
input [ { name: "IN" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_STRING dims: [ 1 ] } ]
"""
_MODEL = """\
import importlib
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import c_python_backend_utils as c_utils
import triton_python_backend_utils as pb_utils
import beside
from . import beside as related
from above import ABOVE


def double(x):
    return 2 * x


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        asked = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0].decode()
        value = np.array([str(getattr(self, asked)())], dtype=object)
        return c_utils.InferenceResponse([c_utils.Tensor("OUT", value)])

    def imported(self):
        return importlib.import_module("beside").NAME, related.NAME, ABOVE

    def by_name(self):
        return importlib.import_module("late").NAME

    def unpickled(self):
        with open(pb_utils.get_model_dir() + "/thing.pkl", "rb") as file:
            return pickle.load(file).name

    def spawned(self):
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            return pool.submit(beside.triple, 2).result(), pool.submit(double, 2).result()

    def names(self):
        return __name__, beside.__name__
"""
_BESIDE = """\
NAME = "beside {model}"


class Thing:
    name = "a thing of {model}"


def triple(x):
    return 3 * x
"""


def write_model(root: Path, name: str) -> None:
    folder = root / name / "1"
    folder.mkdir(parents=True)
    (folder.parent / "config.pbtxt").write_text(_CONFIG)
    (folder.parent / "above.py").write_text(f"ABOVE = 'above {name}'")
    (folder / "model.py").write_text(_MODEL)
    (folder / "beside.py").write_text(_BESIDE.format(model=name))
    (folder / "late.py").write_text(f"NAME = 'late {name}'")
    # What a training script leaves, that had the module on its path.
    sys.path.insert(0, str(folder))
    try:
        import beside  # type: ignore[import-not-found]

        (folder / "thing.pkl").write_bytes(pickle.dumps(beside.Thing()))
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("beside", None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("models")
    for name in ("a", "b"):
        write_model(root, name)
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log") as started:
        yield started


def ask(server: ServerProcess, model: str, what: str) -> Reply:
    tensor = {"name": "IN", "shape": [1], "datatype": "BYTES", "data": [what]}
    return server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]})


@pytest.mark.parametrize("model", ["a", "b"])
@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("imported", "('beside {m}', 'beside {m}', 'above {m}')"),
        ("by_name", "late {m}"),
        ("unpickled", "a thing of {m}"),
        ("spawned", "(6, 4)"),
        ("names", "('1.model', 'beside')"),
    ],
)
def test_modules_beside_the_model(
    server: ServerProcess, model: str, what: str, answer: str
) -> None:
    reply = ask(server, model, what)
    assert reply.status == 200, reply.body
    assert reply.json["outputs"][0]["data"] == [answer.format(m=model)]
