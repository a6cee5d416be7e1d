# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A model's author at work: edits are served in poll mode, mistakes have their file and line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server_process import Reply, ServerProcess

MODES = ("process", "in_process")
WAIT_S = 30.0

_CONFIG = """
backend: "python"
input [ {{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }} ]
parameters {{ key: "EXECUTION_MODE" value {{ string_value: "{mode}" }} }}
"""
#: OUT is `words.VALUE` beside it; a negative input is a mistake of two files.
_MODEL = """\
import numpy as np
import triton_python_backend_utils as pb_utils
import words

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        number = request.inputs()[0].as_numpy()[0]
        if number < 0:
            try:
                words.find(number)
            except KeyError as error:
                raise ValueError("no word") from error
        value = words.VALUE
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.array([value], np.int32))])
"""
_WORDS = "VALUE = {}\n\ndef find(number):\n    return dict()[number.tolist()]\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("edited")
    for mode in MODES:
        (root / mode / "1").mkdir(parents=True)
        (root / mode / "config.pbtxt").write_text(_CONFIG.format(mode=mode))
        (root / mode / "1" / "model.py").write_text(_MODEL)
        (root / mode / "1" / "words.py").write_text(_WORDS.format(1))
    return root


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = ("--model-control-mode=poll", "--repository-poll-secs=0.1")
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log", *options) as started:
        yield started


def infer(server: ServerProcess, model: str, number: int = 0) -> Reply:
    tensor = {"name": "IN", "shape": [1], "datatype": "INT32", "data": [number]}
    return server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]})


def value(server: ServerProcess, model: str) -> int:
    """At every moment one version or the other answers."""
    reply = infer(server, model)
    assert reply.status == 200, reply.body
    return int(reply.json["outputs"][0]["data"][0])


def entry(server: ServerProcess, model: str) -> dict[str, str]:
    index: list[dict[str, str]] = server.request("POST", "/v2/repository/index", {}).json
    (found,) = [one for one in index if one["name"] == model]
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.parametrize("model", MODES)
def test_edits_are_served(server: ServerProcess, root: Path, model: str) -> None:
    folder = root / model / "1"
    code, words = folder / "model.py", folder / "words.py"
    assert value(server, model) == 1
    words.write_text(_WORDS.format(2))
    wait_for(lambda: value(server, model) == 2)
    code.write_text(_MODEL.replace("words.VALUE", "words.VALUE + 1"))
    wait_for(lambda: value(server, model) == 3)


@pytest.mark.parametrize("model", MODES)
@pytest.mark.parametrize(
    ("file", "edit", "words"),
    [
        ("model.py", "        value = = 1", "SyntaxError: invalid syntax (model.py, line {line})"),
        ("words.py", "def find(:", "SyntaxError: invalid syntax (words.py, line {line})"),
        ("words.py", "import nothing_like_this", "ModuleNotFoundError: No module named"),
    ],
    ids=["syntax", "syntax-beside", "import-beside"],
)
def test_a_mistake_keeps_what_serves(
    server: ServerProcess, root: Path, model: str, file: str, edit: str, words: str
) -> None:
    """R-23; the index says where the mistake is."""
    path = root / model / "1" / file
    before, was = path.read_text(), value(server, model)
    path.write_text(f"{before}{edit}\n")
    line = before.count("\n") + 1
    wait_for(lambda: "failed to load" in entry(server, model).get("reason", ""))
    reason = entry(server, model)["reason"]
    assert words.format(line=line) in reason
    assert f"  {model}/1/{file}({line}): <module>" in reason
    assert entry(server, model)["state"] == "READY"
    assert value(server, model) == was
    path.write_text(before)
    wait_for(lambda: not entry(server, model).get("reason"))
    assert value(server, model) == was


@pytest.mark.parametrize("model", MODES)
def test_a_traceback_is_the_models_own(server: ServerProcess, model: str) -> None:
    """5.1: what execute raises reaches the client, with file and line, and what it came from."""
    reply = infer(server, model, -7)
    assert reply.status == 500
    name, text = re.fullmatch(
        r"Failed to process the request\(s\) for model '(\w+)', message: (.*)", reply.error, re.S
    ).groups()  # type: ignore[union-attr]
    assert name == f"{model}_0"
    assert text == (
        "ValueError: no word\n\nAt:\n"
        f"  {model}/1/model.py(7): execute\n  {model}/1/model.py(7): <listcomp>\n"
        f"  {model}/1/model.py(15): answer\n\n"
        "Caused by KeyError: -7\n\nAt:\n"
        f"  {model}/1/model.py(13): answer\n  {model}/1/words.py(4): find"
    )
