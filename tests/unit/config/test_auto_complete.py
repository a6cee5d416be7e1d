# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end from the files of a model (contract 3.2, stage A)."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock.config.auto_complete import auto_complete_from_files
from penstock.config.model_config import parse_pbtxt
from penstock.errors import InvalidArgError

ONNX = ("onnxruntime", "onnxruntime_onnx", "model.onnx")

# written configuration, files ("/" at the end: a folder), (backend, platform, file name)
CASES: list[tuple[str, list[str], tuple[str, str, str]]] = [
    ("", ["1/model.onnx"], ONNX),
    ("", ["1/model.onnx/"], ONNX),
    ("", ["1/model.savedmodel/"], ("tensorflow", "tensorflow_savedmodel", "model.savedmodel")),
    ("", ["1/model.graphdef"], ("tensorflow", "tensorflow_graphdef", "model.graphdef")),
    ("", ["1/model.plan"], ("tensorrt", "tensorrt_plan", "model.plan")),
    ("", ["1/model.xml", "1/model.bin"], ("openvino", "", "model.xml")),
    ("", ["1/model.pt"], ("pytorch", "pytorch_libtorch", "model.pt")),
    ("", ["1/model.pt2"], ("pytorch", "torch_aoti", "model.pt2")),
    ("", ["1/model.py"], ("python", "", "model.py")),
    ("", ["1/model.py", "1/model.onnx"], ONNX),  # the order of the rules
    ('backend: "python"', ["1/model.py", "1/model.onnx"], ("python", "", "model.py")),
    (
        'default_model_filename: "model.py"',
        ["1/model.py", "1/model.onnx"],
        ("python", "", "model.py"),
    ),
    ('backend: "onnxruntime"', ["1/"], ONNX),
    ('platform: "onnxruntime_onnx"', ["1/"], ONNX),
    ('platform: "libtorch"', ["1/"], ("pytorch", "libtorch", "model.pt")),
    ('platform: "torch_aoti"', ["1/"], ("pytorch", "torch_aoti", "model.pt2")),
    (
        'backend: "onnxruntime" default_model_filename: "net.onnx"',
        ["1/net.onnx"],
        ("onnxruntime", "onnxruntime_onnx", "net.onnx"),
    ),
    ('backend: "identity"', ["1/"], ("identity", "", "")),
    ("", ["2/model.py", "10/model.onnx"], ONNX),  # lexicographically first: 10
    ("", [".hidden/model.py", "1/model.onnx"], ONNX),
]


@pytest.mark.parametrize(("text", "files", "expected"), CASES)
def test_rules(tmp_path: Path, text: str, files: list[str], expected: tuple[str, str, str]) -> None:
    model_dir = make(tmp_path / "m", files)
    config = parse_pbtxt(text, "config.pbtxt").config
    auto_complete_from_files(config, model_dir)
    assert (config.backend, config.platform, config.default_model_filename) == expected
    assert config.name == "m"


def test_a_name_with_a_back_end(tmp_path: Path) -> None:
    config = parse_pbtxt("", "config.pbtxt").config
    auto_complete_from_files(config, make(tmp_path / "m.mine", ["1/"]))
    assert (config.name, config.backend, config.default_model_filename) == (
        "m.mine",
        "mine",
        "model.mine",
    )


@pytest.mark.parametrize("files", [[], ["1/"], ["1/other.txt"]])
def test_nothing_to_go_by(tmp_path: Path, files: list[str]) -> None:
    config = parse_pbtxt("", "config.pbtxt").config
    with pytest.raises(InvalidArgError) as caught:
        auto_complete_from_files(config, make(tmp_path / "m", files))
    assert caught.value.message == (
        "Invalid model name: Could not determine backend for model 'm' with no backend in model "
        "configuration. Expected model name of the form 'model.<backend_name>'."
    )


def test_ensembles_are_left_alone(tmp_path: Path) -> None:
    config = parse_pbtxt('platform: "ensemble"', "config.pbtxt").config
    auto_complete_from_files(config, make(tmp_path / "e", ["1/model.onnx"]))
    assert config.backend == ""


def make(model_dir: Path, files: list[str]) -> Path:
    model_dir.mkdir()
    for name in files:
        path = model_dir / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return model_dir
