# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Inputs that are generated or recorded, and which tensor of one model is which of another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from penstock.comparison.errors import ComparisonError
from penstock.comparison.generated import Recipe, generate, parse_rules, parse_shapes
from penstock.comparison.inputs import generated_requests, inputs_for, recorded_requests
from penstock.comparison.matching import Matching, match, parse_maps
from penstock.comparison.models import Client, Model, TensorSpec, describe, parse_model

Spec = tuple[str, str, tuple[int, ...]]


def model(
    label: str, inputs: Sequence[Spec], outputs: Sequence[Spec] = (), *, batch: int = 8
) -> Model:
    specs = [TensorSpec(*spec) for spec in inputs], [TensorSpec(*spec) for spec in outputs]
    nobody = cast(Client, None)
    return Model(label, label, "", "python", batch, tuple(specs[0]), tuple(specs[1]), nobody)


ONNX = model("onnx", [("x", "FP32", (-1, 4))], [("y", "FP32", (-1, 10)), ("z", "INT64", (-1, 1))])
TORCH = model(
    "torch",
    [("INPUT__0", "FP32", (-1, -1))],
    [("OUTPUT__0", "FP32", (-1, 10)), ("OUTPUT__1", "INT32", (-1, 1))],
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a", "", "")),
        ("a:2", ("a", "2", "")),
        ("a:b:2", ("a:b", "2", "")),
        ("a@host:8000", ("a", "", "host:8000")),
        ("a:1@grpc://host:8001", ("a", "1", "grpc://host:8001")),
    ],
)
def test_names_of_models(text: str, parts: tuple[str, str, str]) -> None:
    name = parse_model(text)
    assert (name.name, name.version, name.url) == parts
    assert name.label == text


def test_same_place_when_names_differ() -> None:
    found = match(ONNX, TORCH, {})
    assert found == Matching({"x": "INPUT__0"}, {"y": "OUTPUT__0", "z": "OUTPUT__1"})
    crossed = match(ONNX, TORCH, {"y": "OUTPUT__1"})
    assert crossed.outputs == {"y": "OUTPUT__1", "z": "OUTPUT__0"}


def test_same_name_before_same_place() -> None:
    swapped = model("b", [("x", "FP32", (-1, 4))], [("z", "INT64", (-1, 1)), ("q", "FP32", (-1,))])
    assert match(ONNX, swapped, {}).outputs == {"z": "z", "y": "q"}


def test_outputs_that_one_model_lacks() -> None:
    fewer = model("b", [("x", "FP32", (-1, 4))], [("z", "INT64", (-1, 1))])
    found = match(ONNX, fewer, {})
    assert (found.outputs, found.left_out) == ({"z": "z"}, ("y",))
    none = model("b", [("x", "FP32", (-1, 4))], [("q", "INT64", (-1, 1))])
    with pytest.raises(ComparisonError, match="no output of 'b' is one of 'onnx': say which by"):
        match(ONNX, none, {})


def test_inputs_that_nothing_feeds() -> None:
    more = model("b", [("x", "FP32", (-1, 4)), ("mask", "FP32", (-1, 4))], [("y", "FP32", (-1,))])
    with pytest.raises(ComparisonError, match="nothing of 'onnx' is input 'mask' of 'b'"):
        match(ONNX, more, {})


def test_maps() -> None:
    assert parse_maps(["b:y=q", "x=p"], ["b", "b:1"]) == {
        "b": {"y": "q", "x": "p"},
        "b:1": {"x": "p"},
    }
    assert parse_maps(["b:1:y=q"], ["b", "b:1"]) == {"b": {}, "b:1": {"y": "q"}}
    with pytest.raises(ComparisonError, match="--map 'y' is not"):
        parse_maps(["y"], ["b"])
    with pytest.raises(ComparisonError, match="'torch' has no 'q', it has 'INPUT__0'"):
        match(ONNX, TORCH, {"y": "q"})


def test_the_same_seed_gives_the_same_inputs() -> None:
    def made(seed: int) -> list[bytes]:
        recipe = Recipe(samples=3, batch_size=2, seed=seed)
        requests = generated_requests([ONNX, TORCH], [match(ONNX, TORCH, {})], recipe)
        return [request["x"].array.tobytes() for request in requests]

    assert made(1) == made(1)
    assert made(1) != made(2)
    assert len(set(made(1))) == 3


@pytest.mark.parametrize(
    ("datatype", "rule", "low", "high"),
    [
        ("FP32", "uniform:2,3", 2, 3),
        ("FP16", "zeros", 0, 0),
        ("INT32", "ints:-5,5", -5, 4),
        ("UINT8", "ints:0,256", 0, 255),
        ("BF16", "ints:3,4", 3, 3),
    ],
)
def test_ranges(datatype: str, rule: str, low: float, high: float) -> None:
    recipe = Recipe(samples=1, batch_size=1, seed=0, rules=parse_rules([f"x={rule}"]))
    (request,) = generate([TensorSpec("x", datatype, (-1, 500))], recipe, batched=True)
    assert low <= request["x"].array.min() <= request["x"].array.max() <= high
    assert request["x"].shape == (1, 500)


def test_strings_are_numbers_as_text() -> None:
    recipe = Recipe(samples=1, batch_size=2, seed=0)
    (request,) = generate([TensorSpec("x", "BYTES", (-1, 3))], recipe, batched=True)
    assert all(0 <= int(text) < 10 for text in request["x"].array.ravel())


def test_shapes_take_turns() -> None:
    recipe = Recipe(4, 1, 0, shapes=parse_shapes(["x:3", "x:5"]))
    requests = generate([TensorSpec("x", "FP32", (-1, -1))], recipe, batched=True)
    assert [request["x"].shape for request in requests] == [(1, 3), (1, 5), (1, 3), (1, 5)]


@pytest.mark.parametrize(
    ("rules", "shapes", "message"),
    [
        (["x=fast"], [], r"--generate 'x=fast' is not \[INPUT=\]KIND"),
        (["ints:5,5"], [], "there are no such values"),
        (["uniform:0,inf"], [], "there are no such values"),
        (["ints:0,300"], ["x:2"], "input 'x' is INT8, which cannot take ints:0,300"),
        (["normal"], ["x:2"], "input 'x' is INT8: use --generate x=ints:LOW,HIGH"),
        (["y=zeros"], [], "--generate names input 'y', the model has x"),
        ([], ["x:3,3"], r"--shape x:3,3 does not fit the model, which has \[-1\] behind the batch"),
        ([], ["x"], "--shape 'x' is not"),
        ([], ["x:-1"], "--shape 'x:-1' is not"),
        ([], [], r"input 'x' has open dimensions \[-1\]: give them, say --shape x:16"),
    ],
)
def test_what_cannot_be_generated(rules: list[str], shapes: list[str], message: str) -> None:
    with pytest.raises(ComparisonError, match=message):
        recipe = Recipe(1, 1, 0, parse_rules(rules), parse_shapes(shapes))
        list(generate([TensorSpec("x", "INT8", (-1, -1))], recipe, batched=True))


def test_optional_inputs_are_left_away_until_named() -> None:
    specs = [TensorSpec("x", "FP32", (2,)), TensorSpec("o", "FP32", (2,), optional=True)]
    (request,) = generate(specs, Recipe(1, 1, 0), batched=False)
    assert set(request) == {"x"}
    (request,) = generate(specs, Recipe(1, 1, 0, parse_rules(["o=zeros"])), batched=False)
    assert set(request) == {"x", "o"}


def test_models_that_no_input_fits() -> None:
    wide = model("wide", [("x", "FP32", (-1, 5))], [("y", "FP32", (-1, 10))])
    with pytest.raises(ComparisonError, match=r"'x' of 'onnx' has shape \[-1, 4\].*\[-1, 5\]"):
        generated_requests([ONNX, wide], [match(ONNX, wide, {})], Recipe(1, 1, 0))


def read(path: Path, batch_size: int = 0) -> list[dict[str, Any]]:
    matching = match(ONNX, TORCH, {})
    found = recorded_requests([ONNX, TORCH], [matching], [path], batch_size)
    return [{name: tensor.array.tolist() for name, tensor in each.items()} for each in found]


def test_recorded_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((3, 4)))
    body = {"inputs": [{"name": "INPUT__0", "datatype": "FP32", "shape": [1, 4]}]}
    body["inputs"][0]["data"] = [[1, 2, 3, 4]]  # type: ignore[assignment]
    (tmp_path / "b.json").write_text(json.dumps(body))
    (tmp_path / "c.json").write_text(json.dumps({"requests": [body, body]}))
    (tmp_path / "README").write_text("not read")
    assert read(tmp_path) == [{"x": [[1.0] * 4] * 3}, *[{"x": [[1, 2, 3, 4]]}] * 3]
    assert [len(each["x"]) for each in read(tmp_path / "a.npz", 2)] == [2, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "a.json: not JSON"),
        ("a.json", b"[" * 100_000, "a.json: not JSON"),
        ("a.json", b"[]", "a.json: there is no request in it"),
        ("a.json", b"[3]", "a.json: not the body of a v2 request"),
        ("a.json", b'{"inputs": [{"name": "x", "datatype": "FP32"}]}', "'x' has no shape"),
        ("a.json", b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}]}', "no data"),
        ("a.json", b'{"inputs": []}', "a.json lacks input 'x'"),
        ("a.npz", b"PK\x03\x04", "a.npz: not an .npz archive"),
        ("a.npz", b"", "a.npz: not an .npz archive"),
        ("a.csv", b"1", "inputs come from .npz and .json files"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ComparisonError, match=message):
        read(tmp_path / name)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "pickle.npz", x=np.array([{}], object))
    with pytest.raises(ComparisonError, match="save strings as an array of dtype S or U"):
        read(tmp_path / "pickle.npz")
    np.savez(tmp_path / "other.npz", q=np.ones(1))
    with pytest.raises(ComparisonError, match="other.npz has 'q', which is no input"):
        read(tmp_path / "other.npz")
    with pytest.raises(ComparisonError, match="cannot be read: No such file"):
        read(tmp_path / "absent.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ComparisonError, match="has no .npz and no .json files"):
        read(tmp_path / "empty")
    np.savez(tmp_path / "scalar.npz", x=np.float32(1))
    with pytest.raises(ComparisonError, match="no common number of rows"):
        read(tmp_path / "scalar.npz", 2)


def test_inputs_of_each_model(tmp_path: Path) -> None:
    half = model("half", [("h", "FP16", (-1, 4))], [("y", "FP32", (-1, 10))], batch=2)
    recipe = Recipe(samples=1, batch_size=2, seed=0)
    (request,) = generated_requests([ONNX, half], [match(ONNX, half, {"x": "h"})], recipe)
    (tensor,) = inputs_for(half, {"x": "h"}, request)
    assert (tensor.name, tensor.datatype, tensor.array.dtype) == ("h", "FP16", np.float16)
    larger = Recipe(samples=1, batch_size=3, seed=0)
    (request,) = generated_requests([ONNX, half], [match(ONNX, half, {"x": "h"})], larger)
    with pytest.raises(ComparisonError, match="takes 2 rows at most, not 3: give --batch-size 2"):
        inputs_for(half, {"x": "h"}, request)


class _Server:
    """A client of a server that says this about every model."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    def config(self, model: str, version: str) -> dict[str, Any]:
        return self._config

    def metadata(self, model: str, version: str) -> dict[str, Any]:
        return {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}]}


def test_models_that_are_refused() -> None:
    for config, message in (
        ({"model_transaction_policy": {"decoupled": True}}, "model 'm:1' is decoupled"),
        ({"sequence_batching": {}}, "model 'm:1' has sequence_batching"),
    ):
        with pytest.raises(ComparisonError, match=message):
            describe(parse_model("m:1"), cast(Client, _Server(config)))
    found = describe(parse_model("m:1"), cast(Client, _Server({"max_batch_size": "2"})))
    assert (found.version, found.max_batch_size, found.inputs[0].shape) == ("1", 2, (-1, 4))
