# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Warm-up of models before they are served (contract 2.10, 12.5, X-60)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton_http
from model_repository import HAVE_ONNX, write_linear
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

#: Notes each batch in a file of the model's folder; fails for X[0] == 13.
_NOTING = """
import json
import pathlib

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.name = args["model_instance_name"]
        self.notes = pathlib.Path(args["model_repository"]) / f"{self.name}.notes"

    def execute(self, requests):
        batch, responses = [], []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
            s = pb_utils.get_input_tensor_by_name(request, "S")
            texts = None if s is None else [t.decode() for t in s.as_numpy().flat]
            batch.append([list(x.shape), [float(v) for v in x.flat], texts])
            if x.flat[0] == 13:
                raise ValueError("thirteen")
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("Y", x)]))
        with self.notes.open("a") as file:
            file.write(json.dumps(batch) + "\\n")
        return responses
"""

_TENSORS = """
input { name: "X" data_type: TYPE_FP32 dims: [-1] }
input { name: "S" data_type: TYPE_STRING dims: [-1] optional: true }
output { name: "Y" data_type: TYPE_FP32 dims: [-1] }
"""


def entry(name: str, how: str, dims: str = "2", data_type: str = "FP32") -> str:
    value = f"data_type: TYPE_{data_type} dims: [{dims}] {how}"
    return f'inputs {{ key: "{name}" value {{ {value} }} }}'


def sample(name: str, inputs: str, batch_size: int = 1, count: int = 0) -> str:
    return f'model_warmup {{ name: "{name}" batch_size: {batch_size} count: {count} {inputs} }}\n'


ZERO, RANDOM = "zero_data: true", "random_data: true"


def file_data(name: str) -> str:
    return f'input_data_file: "{name}"'


def write_model(root: Path, name: str, warm_up: str, extra: str = "") -> Path:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(_NOTING)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: 8 {_TENSORS} {warm_up} {extra}'
    )
    files = root / name / "warmup"
    files.mkdir()
    np.array([7, 8, 9], np.float32).tofile(files / "numbers")
    np.array([13, 13], np.float32).tofile(files / "thirteen")
    (files / "texts").write_bytes(b"\3\0\0\0one\0\0\0\0")
    return root / name


def write_native(root: Path, name: str, warm_up: str) -> None:
    tensor = "data_type: TYPE_FP32 dims: [2]"
    (root / name / "1").mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "identity" max_batch_size: 4 instance_group {{ count: 2 }}'
        f'input {{ name: "INPUT0" {tensor} }} output {{ name: "OUTPUT0" {tensor} }} {warm_up}'
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warm_models")


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("log") / "log"
    with ServerProcess(root, log, "--model-control-mode=explicit") as started:
        yield started


def load(server: ServerProcess, name: str) -> None:
    with triton_http.InferenceServerClient(server.http_url, network_timeout=60) as client:
        client.load_model(name)
        assert client.is_model_ready(name)


def refused(server: ServerProcess, name: str) -> str:
    with (
        triton_http.InferenceServerClient(server.http_url, network_timeout=60) as client,
        pytest.raises(InferenceServerException) as caught,
    ):
        client.load_model(name)
    text: str = caught.value.message()
    return text


def notes(folder: Path) -> dict[str, list[Any]]:
    """Batches by instance; each a list of (shape, values, strings)."""
    return {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("*.notes"))
    }


def test_every_sample_on_every_instance(server: ServerProcess, root: Path) -> None:
    samples = (
        sample("zero", entry("X", ZERO), batch_size=3, count=2)
        + sample("never", entry("X", file_data("thirteen")), batch_size=0)
        + sample("file", entry("X", file_data("numbers")))
    )
    folder = write_model(root, "all", samples, "instance_group { count: 2 }")
    load(server, "all")
    zero, numbers = [[1, 2], [0.0, 0.0], None], [[1, 2], [7.0, 8.0], None]
    expected = [[zero] * 3, [zero] * 3, [numbers]]
    assert notes(folder) == {"all_0_0": expected, "all_0_1": expected}


def test_nothing_is_counted(server: ServerProcess, root: Path) -> None:
    write_model(root, "counted", sample("zero", entry("X", ZERO)))
    load(server, "counted")
    stats = server.request("GET", "/v2/models/counted/stats").json["model_stats"][0]
    assert stats["inference_count"] == stats["execution_count"] == stats["last_inference"] == 0
    assert {stage["count"] for stage in stats["inference_stats"].values()} == {0}
    assert stats["batch_stats"] == []
    x = triton_http.InferInput("X", [1, 2], "FP32")
    x.set_data_from_numpy(np.ones((1, 2), np.float32))
    with triton_http.InferenceServerClient(server.http_url) as client:
        np.testing.assert_array_equal(client.infer("counted", [x]).as_numpy("Y"), [[1, 1]])


def test_strings(server: ServerProcess, root: Path) -> None:
    numbers = entry("X", ZERO)
    samples = (
        sample("random", numbers + entry("S", RANDOM, "2", "STRING"))
        + sample("zero", numbers + entry("S", ZERO, "1", "STRING"))
        + sample("file", numbers + entry("S", file_data("texts"), "2", "STRING"))
    )
    folder = write_model(root, "strings", samples)
    load(server, "strings")
    (batches,) = notes(folder).values()
    assert [batch[0][2] for batch in batches] == [["", ""], [""], ["one", ""]]


def test_random_data(server: ServerProcess, root: Path) -> None:
    folder = write_model(root, "random", sample("random", entry("X", RANDOM, "100")))
    load(server, "random")
    (batches,) = notes(folder).values()
    values = batches[0][0][1]
    assert len(set(values)) > 50
    assert all(0 <= value < 1 for value in values)


def test_more_than_the_model_takes_at_a_time(server: ServerProcess, root: Path) -> None:
    folder = write_model(root, "large", sample("zero", entry("X", ZERO), batch_size=19))
    load(server, "large")
    (batches,) = notes(folder).values()
    assert [len(batch) for batch in batches] == [8, 8, 3]


def test_native_instances(server: ServerProcess, root: Path) -> None:
    write_native(root, "native", sample("zero", entry("INPUT0", ZERO), batch_size=4, count=2))
    load(server, "native")
    body = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
    answer = server.request("POST", "/v2/models/native/infer", body).json
    assert answer["outputs"][0]["data"] == [1, 2]
    write_native(root, "bad_native", sample("wrong", entry("INPUT0", ZERO, "3")))
    text = refused(server, "bad_native")
    assert "failed to run warmup sample 'wrong': unexpected shape for input 'INPUT0'" in text


@pytest.mark.skipif(not HAVE_ONNX, reason="needs onnx and onnxruntime")
def test_onnx_models(server: ServerProcess, root: Path) -> None:
    write_linear(root / "linear" / "1" / "model.onnx")
    (root / "linear" / "config.pbtxt").write_text(
        'backend: "onnxruntime" max_batch_size: 4 instance_group { count: 2 kind: KIND_CPU }'
        + sample("random", entry("x", RANDOM, "4"), batch_size=4)
    )
    load(server, "linear")


def test_a_failing_sample_fails_the_load(server: ServerProcess, root: Path) -> None:  # 2.10
    samples = sample("good", entry("X", ZERO)) + sample("bad", entry("X", file_data("thirteen")))
    write_model(root, "fails", samples)
    text = refused(server, "fails")
    assert "load failed for model 'fails': version 1 is at UNAVAILABLE state" in text
    assert "failed to run warmup sample 'bad': " in text
    assert "ValueError: thirteen" in text
    assert text.rstrip("\n").endswith("; ;")
    assert server.request("GET", "/v2/models/fails/ready").status != 200


@pytest.mark.parametrize(
    ("name", "inputs", "text"),
    [
        (
            "short",
            entry("X", file_data("numbers"), "4"),
            "warmup setting expects 16 bytes, but the data provided from numbersonly has 12 bytes",
        ),
        ("absent", entry("X", file_data("nothing")), "cannot read 'nothing': No such file"),
        ("no_input", "", "no data for required input 'X' of model 'no_input'"),
        ("odd_type", entry("X", ZERO, "2", "INT32"), "data-type is 'INT32', but model 'odd_type'"),
        ("unknown", entry("X", ZERO) + entry("Z", ZERO), "unexpected inference input 'Z'"),
        ("huge", entry("X", ZERO, "9223372036854775807, 9"), "unable to make input 'X'"),
    ],
)
def test_what_is_no_sample(  # 2.10, 12.5
    server: ServerProcess, root: Path, name: str, inputs: str, text: str
) -> None:
    write_model(root, name, sample("s", inputs))
    assert text in refused(server, name)
