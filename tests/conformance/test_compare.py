# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`penstock compare` as a user runs it: on servers, on repositories, and into what goes wrong."""

from __future__ import annotations

import json
import re
import ssl
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import Authority
from framework_networks import sample, write_network
from model_repository import HAVE_ONNX
from penstock.cli.main import main
from server_process import ServerProcess, free_ports

_MODEL = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", self.answer(x))]))
        return answers

    def answer(self, x):
        return %s
"""
_TENSORS = 'input { name: "x" data_type: %s dims: %s } output { name: "y" data_type: %s dims: %s }'


def write_model(
    root: Path,
    name: str,
    answer: str,
    tensors: tuple[str, str, str, str],
    *more: str,
    version: int = 1,
) -> None:
    folder = root / name / str(version)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(_MODEL % answer)
    (root / name / "config.pbtxt").write_text(
        f'backend: "python" {_TENSORS % tensors} {" ".join(more)}'
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compared")
    scores = ("TYPE_FP32", "4", "TYPE_FP32", "4")
    batch = "max_batch_size: 8"
    write_model(root, "double", "x * 2", scores, batch)
    write_model(root, "double", "x * np.float32(2.01)", scores, batch, version=2)
    write_model(root, "half", "(x * 2).astype(np.float16)", ("TYPE_FP16", "4", "TYPE_FP16", "4"))
    write_model(root, "open", "x * 2", ("TYPE_FP32", "[-1, -1]", "TYPE_FP32", "[-1, -1]"))
    write_model(
        root, "sum", "x.sum(axis=1, keepdims=True)", ("TYPE_FP32", "4", "TYPE_FP32", "1"), batch
    )
    write_model(root, "text", "x", ("TYPE_STRING", "2", "TYPE_STRING", "2"))
    write_model(root, "other_text", "x[::-1]", ("TYPE_STRING", "2", "TYPE_STRING", "2"))
    ragged = "max_batch_size: 8 dynamic_batching { }"
    tensors = ("TYPE_FP32", "-1 allow_ragged_batch: true", "TYPE_FP32", "-1")
    write_model(root, "ragged", "x * 2", tensors, ragged)
    write_model(root, "broken", "1 / 0", scores, batch)
    write_model(root, "stream", "x", scores, "model_transaction_policy { decoupled: true }")
    write_model(root, "stateful", "x", scores, batch, "sequence_batching { }")
    return root


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, output, and errors."""
    code = main(["compare", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def locally(models: Path, *names: str) -> list[str]:
    return [f"--model-repository={models}", *(f"--model={n}" for n in names), "--requests=0"]


def test_versions(models: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = [*locally(models, "double:1", "double:2"), f"--json={report}", "--samples=3"]
    code, out, err = run(capsys, *arguments, "--batch-size=2", "--generate=uniform:1,2")
    assert (code, err) == (1, "")
    assert "double:2: y: 24 of 24 values differ by more than atol 0.0001, rtol 0.0001" in out
    assert out.endswith("OUT OF tolerance: atol 0.0001, rtol 0.0001.\n")
    content = json.loads(report.read_text())
    assert content["within_tolerance"] is False
    assert content["inputs"] | {"source": ""} == {"source": "", "requests": 3, "rows": 6}
    (output,) = content["agreement"][0]["outputs"]
    assert output["elements"] == output["outside"] == 24
    assert 0.01 <= output["max_abs"] <= 0.0201
    assert output["max_rel"] == pytest.approx(0.005, rel=1e-3)
    assert output["cosine"] == pytest.approx(1.0)
    assert run(capsys, *arguments, "--rtol=0.01", "--min-cosine=0.999")[0] == 0
    assert run(capsys, *arguments, "--rtol=0.01", "--min-top1=1.1")[0] == 1


def test_data_types_and_models_without_batching(
    models: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_model(tmp_path, "flat", "x * 2", ("TYPE_FP32", "4", "TYPE_FP32", "4"))
    arguments = [f"--model-repository={tmp_path}", *locally(models, "flat", "half")]
    assert run(capsys, *arguments)[0] == 1  # the inputs lose their last bits
    assert run(capsys, *arguments, "--rtol=1e-2")[0] == 0
    arguments = [f"--model-repository={tmp_path}", *locally(models, "half", "flat")]
    assert run(capsys, *arguments, "--atol=0", "--rtol=0")[0] == 0  # twice an FP16 number is one


def test_open_and_ragged_shapes(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = locally(models, "open", "ragged")
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err == ("error: input 'x' has open dimensions [-1]: give them, say --shape x:16\n")
    code, out, err = run(capsys, *arguments, "--shape=x:3", "--shape=x:7", "--samples=2")
    assert (code, err) == (0, "")
    assert "2 requests" in out
    code, _, err = run(capsys, *locally(models, "ragged", "double"), "--shape=x:3")
    assert code == 2
    assert "--shape x:3 does not fit the model, which has [4] behind the batch" in err


def test_strings(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *locally(models, "text", "other_text"), "--generate=zeros")[0] == 0
    code, out, _ = run(capsys, *locally(models, "text", "other_text"))
    assert code == 1
    assert re.search(r"y: \d+ of 32 values differ", out)


def test_answers_of_other_shapes(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *locally(models, "double", "sum"))
    assert code == 1
    assert "sum: y: the answers are of shape [1, 4] and [1, 1]" in out


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["double", "stream"], "model 'stream' is decoupled"),
        (["double", "stateful"], "model 'stateful' has sequence_batching"),
        (["double", "broken"], "model 'broken': "),
        (["double", "absent"], "absent"),
        (["double:1", "double:7"], "double"),
        (["double:1", "double"], "--model double is given with and without a version"),
        (["double", "double"], "--model double is given twice"),
        (["double"], "two models are compared at least: give --model twice"),
        (["double", "text"], "no input fits both"),
    ],
)
def test_models_that_cannot_be_compared(
    models: Path, capsys: pytest.CaptureFixture[str], names: list[str], message: str
) -> None:
    code, _, err = run(capsys, *locally(models, *names))
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--atol=low"], "'low' is not a number from 0 on"),
        (["--samples=0"], "'0' is not a number from 1 to 1000000"),
        (["--fast"], "unrecognized arguments: --fast"),
        (["--url=ftp://a:1"], "'ftp://a:1' is not [SCHEME://]HOST:PORT"),
        (["--inputs=absent.npz", "--shape=x:1"], "leave --generate and --shape away"),
        (["--json=absent/report.json"], "there is no directory absent"),
        (["--map=y"], "--map 'y' is not"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], server: ServerProcess, arguments: list[str], message: str
) -> None:
    two = [f"--url={server.http_url}", "--model=add_sub", "--model=identity_fp32"]
    code, _, err = run(capsys, *two, *arguments)
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert message in err


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_answers(capsys: pytest.CaptureFixture[str], scheme: str) -> None:
    (port,) = free_ports(1)
    url = f"{scheme}://127.0.0.1:{port}"
    code, _, err = run(capsys, "--model=a", "--model=b", f"--url={url}")
    assert (code, err.count("\n")) == (2, 1)
    assert (
        f"error: no {scheme.replace('http', 'HTTP').replace('grpc', 'gRPC')} server answers" in err
    )


@pytest.mark.parametrize("datatype", ["BOOL", "UINT64", "INT8", "FP16", "FP64", "BYTES", "BF16"])
def test_one_model_on_two_servers(
    server: ServerProcess, capsys: pytest.CaptureFixture[str], datatype: str
) -> None:
    """HTTP beside gRPC: every kind of tensor comes through both ways unchanged."""
    name = f"identity_{datatype.lower()}"
    urls = [f"http://{server.http_url}", f"grpc://{server.grpc_url}"]
    models = [f"--model={name}@{url}" for url in urls]
    exact = ["--atol=0", "--rtol=0", "--requests=20", "--concurrency=2"]
    code, out, err = run(capsys, *models, *exact, "--shape=INPUT0:4")
    assert (code, err) == (0, ""), out
    assert "| 100.0% | ok |" in out
    assert out.count("requests/s") == 1


def test_errors_of_a_server_are_passed_on(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in (f"http://{server.http_url}", f"grpc://{server.grpc_url}"):
        code, _, err = run(capsys, "--model=raises", "--model=absent", f"--url={url}")
        assert (code, err.count("\n")) == (2, 1)
        assert "unknown model: 'absent'" in err


@pytest.mark.skipif(not HAVE_ONNX, reason="onnx is not installed")
def test_two_frameworks_and_a_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("onnx", "python"):
        write_network(tmp_path, name)
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    np.savez(recorded / "a.npz", x=sample(4, 1))
    (recorded / "b.json").write_text(json.dumps(_body(sample(2, 2))))
    page = tmp_path / "report.html"
    arguments = [f"--model-repository={tmp_path}", "--model=onnx", "--model=python"]
    arguments += [f"--inputs={recorded}", f"--html={page}", "--requests=30", "--concurrency=3"]
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, ""), out
    assert "2 requests, 6 rows" in out
    text = page.read_text()
    assert "Within tolerance" in text
    assert not re.search(r"https?://|<script|url\(|@import", text)  # self-contained
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 3  # errors, times, rows a second
    for picture in pictures:
        xml.fromstring(picture)


def _body(x: np.ndarray) -> dict[str, Any]:
    tensor = {"name": "x", "datatype": "FP32", "shape": list(x.shape), "data": x.tolist()}
    return {"inputs": [tensor]}


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in ("--model-repository", "--map", "--min-cosine", "--html", "exit codes"):
        assert option in text


def test_tls(capsys: pytest.CaptureFixture[str], tmp_path: Path, models: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    options = ["--model-control-mode=explicit", "--load-model=double"]
    for protocol in ("http", "grpc"):
        options += [f"--{protocol}-use-ssl=true", f"--{protocol}-server-cert={certificate}"]
        options.append(f"--{protocol}-server-key={key}")
    server = ServerProcess(models, tmp_path / "server.log", *options)
    server.tls = ssl.create_default_context(cafile=authority.root)
    with server:
        urls = [f"https://{server.http_url}", f"grpcs://{server.grpc_url}"]
        arguments = [f"--model=double@{url}" for url in urls] + ["--requests=2", "--timeout=10"]
        assert run(capsys, *arguments, f"--ca={authority.root}")[0] == 0
        for ca, message in (([], "is not trusted"), (["--ca=none.pem"], "none.pem")):
            code, _, err = run(capsys, *arguments, *ca)
            assert (code, err.count("\n")) == (2, 1)
            assert message in err
