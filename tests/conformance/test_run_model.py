# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`penstock run-model` as a model's author uses it: alone, with files, and into what goes wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from penstock.cli.main import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TIMEOUT_S = 60

_TENSOR = "data_type: TYPE_FP32 dims: [ 2 ]"
_CONFIG = f'input {{ name: "x" {_TENSOR} }} output {{ name: "y" {_TENSOR} }} '
_ECHO = "[pb_utils.InferenceResponse([pb_utils.Tensor('y', r.inputs()[0].as_numpy())])" + (
    " for r in requests]"
)
_MODEL = """\
import json
import os
import threading
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        {body}
        return {answer}
"""
FIRST_LINE = 8


def write(root: Path, body: str = "pass", more: str = "", answer: str = _ECHO) -> Path:
    """A model; what it does stands in line FIRST_LINE."""
    (root / "m" / "1").mkdir(parents=True)
    (root / "m" / "1" / "model.py").write_text(_MODEL.format(body=body, answer=answer))
    (root / "m" / "config.pbtxt").write_text(_CONFIG + more)
    return root / "m"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["run-model", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def rows(printed: str, name: str) -> list[list[str]]:
    lines = [line for line in printed.splitlines() if line.startswith(f"| {name} ")]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


def start(*arguments: object) -> subprocess.Popen[str]:
    # Whoever runs the tests in the background may have had ctrl-C ignored, which is inherited.
    obeying = ["env", "--default-signal=INT"]
    command = [*obeying, sys.executable, "-u", "-m", "penstock", "run-model"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, *map(str, arguments)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize("path", ["add_sub", "add_sub/1", "add_sub/1/model.py"])
def test_every_path_to_a_model(capsys: pytest.CaptureFixture[str], path: str) -> None:
    code, out, err = run(capsys, EXAMPLES / "models" / path, "--generate", "ints:1,9")
    assert (code, err) == (0, "")
    assert out.startswith(f"model 'add_sub', version 1: {EXAMPLES / 'models/add_sub/1/model.py'}")
    for stage in ("auto_complete_config", "import", "initialize", "execute", "finalize"):
        assert re.search(rf"^{stage}: [\d.e-]+ m?s$", out, re.M), out
    values = {name: rows(out, name)[0][3] for name in ("INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1")}
    left, right, total, less = (np.array(text.split(), float) for text in values.values())
    assert left.size == 4
    assert (left + right == total).all()
    assert (left - right == less).all()


def test_the_highest_version_unless_it_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = write(tmp_path)
    for version in ("2", "10"):
        (model / version).mkdir()
        (model / version / "model.py").write_text((model / "1" / "model.py").read_text())
    assert "version 10: " in run(capsys, model)[1]
    assert "version 2: " in run(capsys, model / "2")[1]


def test_inputs_from_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = write(tmp_path)
    np.save(tmp_path / "x.npy", np.array([2.5, -1]))  # FP64, which fits
    code, out, _ = run(capsys, model, "--input", f"x={tmp_path / 'x.npy'}", "--count", 2)
    assert code == 0
    assert rows(out, "y") == [["y", "FP32", "[2]", "2.5 -1"]] * 2
    bodies = [
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [number, 0]}]}
        for number in (3, 4)
    ]
    (tmp_path / "bodies.json").write_text(json.dumps(bodies))
    code, out, _ = run(capsys, model, "--request", tmp_path / "bodies.json")
    assert [row[3] for row in rows(out, "y")] == ["3 0", "4 0"]


def test_decoupled_responses_come_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    repeat = EXAMPLES / "python_models" / "repeat"
    code, out, _ = run(capsys, repeat, "--shape", "IN:6", "--shape", "DELAY:6")
    assert code == 0
    assert [row[3] for row in rows(out, "IDX")] == list("012345")
    assert "response 6, after" in out
    assert "response 7" not in out


def test_parameters_and_sequences(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    body = (
        "pb_utils.Logger.log_info(f'{r.correlation_id()} {r.flags()} {r.parameters()}')"
        " if (r := requests[0]) else 0"
    )
    model = write(tmp_path, body, "max_batch_size: 1 sequence_batching { }")
    code, _, err = run(capsys, model, "--count", 3, "--parameter", "a=1", "--parameter", "b=text")
    assert code == 0
    told = re.findall(r"INFO model.py:8\] (\d+) (\d+) (.*)", err)
    assert [line[:2] for line in told] == [("1", "1"), ("1", "0"), ("1", "2")]
    assert json.loads(told[0][2]) == {"a": 1, "b": "text"}


@pytest.mark.parametrize("models", [[], ["add_sub", "auto_complete"]])
def test_models_that_it_calls(capsys: pytest.CaptureFixture[str], models: list[str]) -> None:
    options = [f"--load-model={name}" for name in models]
    options += [f"--model-repository={EXAMPLES / name}" for name in ("models", "python_models")]
    code, out, err = run(capsys, EXAMPLES / "python_models" / "bls", *options)
    if models:
        assert (code, "hint" in err) == (0, False)
        assert rows(out, "OUTPUT")[0][1] == "FP32"
    else:
        assert code == 1
        assert "INVALID_ARG: Request for unknown model: 'add_sub' is not found" in out
        assert "hint: a model that it calls is loaded by --load-model NAME" in err


def test_what_execute_raises(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The traceback begins in the model: nothing of what calls it is in the way."""
    model = write(tmp_path, "json.loads('{')")
    code, out, err = run(capsys, model)
    assert code == 1
    lines = err.splitlines()
    path = model / "1" / "model.py"
    assert lines[:2] == [
        "Traceback (most recent call last):",
        f'  File "{path}", line {FIRST_LINE}, in execute',
    ]
    assert lines[-1].startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert "penstock" not in err
    assert "INTERNAL: Failed to process the request(s) for model 'm_0', message: JSOND" in out
    assert "finalize: " in out


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\ndef f(:\n", 'model.py", line 2'),
        ("import nothing_like_this", 'model.py", line 1'),
        ("raise SystemExit(3)", 'model.py", line 1'),
        ("class TritonPythonModel:\n    def initialize(self, args):\n        1 / 0\n"
         "    def execute(self, requests): pass", 'model.py", line 3, in initialize'),
        ("class TritonPythonModel:\n    @staticmethod\n    def auto_complete_config(config):\n"
         "        1 / 0", 'model.py", line 4, in auto_complete_config'),
    ],
)  # fmt: skip
def test_what_loading_raises(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str, words: str
) -> None:
    model = write(tmp_path)
    (model / "1" / "model.py").write_text(source)
    code, _, err = run(capsys, model)
    assert code == 1
    assert words in err
    assert "penstock" not in err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("[]", "Number of InferenceResponse objects do not match"),
        ("7", "Expected a list in the execute return"),
        (
            "[pb_utils.InferenceResponse(error=pb_utils.TritonError('no', "
            "pb_utils.TritonError.UNAVAILABLE))]",
            "UNAVAILABLE: no",
        ),
    ],
)
def test_what_is_answered_wrongly(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, answer: str, words: str
) -> None:
    code, out, _ = run(capsys, write(tmp_path, answer=answer))
    assert code == 1
    assert words in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{root}/none"], "there is no '"),
        (["{root}/m/config.pbtxt"], "is not the Python file of a version"),
        (["{root}"], "Could not determine backend"),
        (["{root}/m", "--count=0"], "'0' is not a number from 1"),
        (["{root}/m", "--input=x"], "'x' is not NAME=FILE.npy"),
        (["{root}/m", "--input=x={root}/none.npy"], "none.npy cannot be read: No such file"),
        (["{root}/m", "--input=x={root}/m/config.pbtxt"], "is not an .npy file"),
        (["{root}/m", "--shape=z:3"], "--shape names input 'z', the model has x"),
        (["{root}/m", "--shape=x:3"], "does not fit the model"),
        (["{root}/m", "--request={root}/m", "--shape=x:2"], "--request comes as it is"),
        (["{root}/m", "--request={root}/m"], "has no .npz and no .json files"),
        (["{root}/m", "--load-model=other"], "other"),
        (["{root}/m", "--model-repository={root}/none"], "none"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: str
) -> None:
    write(tmp_path)
    code, _, err = run(capsys, *(text.format(root=tmp_path) for text in arguments))
    assert code == 2
    assert err.startswith("error: ")
    assert words in err
    assert err.count("\n") == 1


def test_an_input_that_the_model_does_not_take(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    code, out, err = run(capsys, write(tmp_path), f"--input=x={tmp_path / 'x.npy'}")
    assert code == 2
    assert "unexpected shape for input 'x'" in err
    assert "finalize" not in err


def test_a_breakpoint(tmp_path: Path) -> None:
    """The debugger has the terminal, and the model's frame."""
    process = start(write(tmp_path, "breakpoint()"))
    out, err = process.communicate("p len(requests)\nc\n", TIMEOUT_S)
    assert process.returncode == 0, err
    assert "(Pdb) 1\n" in out
    assert "model.py(9)execute()" in out
    assert rows(out, "y")


def test_quitting_the_debugger(tmp_path: Path) -> None:
    process = start(write(tmp_path, "breakpoint()"), "--count=5")
    out, err = process.communicate("q\n", TIMEOUT_S)
    assert process.returncode == 130, err
    assert "request 2" not in out
    assert "Traceback" not in err


def test_debugging_what_was_raised(tmp_path: Path) -> None:
    body = "value = 41; value / (len(requests) - 1)"
    process = start(write(tmp_path, body), "--pdb")
    out, err = process.communicate("p value + 1\nq\n", TIMEOUT_S)
    assert process.returncode == 1, err
    assert "(Pdb) 42\n" in out
    assert err.rstrip().endswith("ZeroDivisionError: division by zero")


def test_nobody_reads_on(tmp_path: Path) -> None:
    with start(write(tmp_path), "--count=1000") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("model 'm'")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(TIMEOUT_S) == 130


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ("print('here', flush=True); threading.Event().wait()", ""),
        # its request is never answered, and execute has returned
        ("print('here', flush=True); self.kept = [r.get_response_sender() for r in requests]",
         "model_transaction_policy { decoupled: true }"),
    ],
    ids=["executing", "waiting"],
)  # fmt: skip
def test_ctrl_c(tmp_path: Path, body: str, more: str) -> None:
    answer = "None" if more else _ECHO
    process = start(write(tmp_path, body, more, answer))
    assert process.stdout is not None
    while "here" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
