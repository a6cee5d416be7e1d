# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Back ends that are a `model.py` in --backend-directory (contract 3.4, 5.1, O-56)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as http_client
from environment_models import pack, write_environment
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

#: Multiplies by the factor in the model's own files.
_SCALER = """
import json
import os
import pathlib

import triton_python_backend_utils as pb_utils
from arithmetic import scaled


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "X", "data_type": "TYPE_INT32", "dims": [-1]})
        config.add_output({"name": "Y", "data_type": "TYPE_INT32", "dims": [-1]})
        config.set_max_batch_size(0)
        return config

    def initialize(self, args):
        folder = pathlib.Path(args["model_repository"], args["model_version"])
        assert folder == pathlib.Path(pb_utils.get_model_dir())
        self.settings = json.loads((folder / "model.json").read_text())
        self.args = args

    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
            y = pb_utils.Tensor("Y", scaled(x, self.settings["factor"]))
            seen = {
                "args": json.dumps(sorted(self.args)),
                "name": self.args["model_name"],
                "backend": json.loads(self.args["model_config"])["backend"],
                "pid": str(os.getpid()),
            }
            responses.append(pb_utils.InferenceResponse([y], parameters=seen))
        return responses
"""
_ARITHMETIC = """
def scaled(x, factor):
    if factor == 0:
        raise ValueError("a factor of nothing")
    return x * x.dtype.type(factor)
"""
_SAYS_VERSION = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "X", "data_type": "TYPE_INT32", "dims": [-1]})
        config.add_output({"name": "Y", "data_type": "TYPE_STRING", "dims": [1]})
        return config

    def execute(self, requests):
        import conflicted

        y = pb_utils.Tensor("Y", np.array([conflicted.VERSION], object))
        return [pb_utils.InferenceResponse([y]) for _ in requests]
"""


def write_model(root: Path, name: str, config: str, factor: int) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.json").write_text(json.dumps({"factor": factor}))
    (root / name / "config.pbtxt").write_text(config)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("python_backends")
    backends, models = root / "backends", root / "models"
    for name, source in (("scaler", _SCALER), ("boxed", _SAYS_VERSION)):
        (backends / name).mkdir(parents=True)
        (backends / name / "model.py").write_text(source)
    (backends / "scaler" / "arithmetic.py").write_text(_ARITHMETIC)
    write_environment(root / "environment", "7.0")
    pack(root / "environment", backends / "boxed" / "pb_exec_env_model.py.tar.gz")
    write_model(models, "twice", 'backend: "scaler"', 2)
    write_model(models, "thrice", 'backend: "scaler" runtime: "model.py"', 3)
    write_model(models, "never", 'backend: "scaler"', 0)
    here = 'parameters { key: "EXECUTION_MODE" value { string_value: "in_process" } }'
    write_model(models, "here", f'backend: "scaler" {here}', 5)
    write_model(models, "boxed", 'backend: "boxed"', 0)
    write_model(models, "unknown", 'backend: "sclaer"', 1)
    write_model(models, "outside", 'backend: "../backends/scaler"', 1)
    options = [
        f"--backend-directory={backends}",
        f"--environment-cache-directory={root / 'cache'}",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in ("twice", "thrice", "never", "here", "boxed")),
    ]
    with ServerProcess(models, root / "server.log", *options) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[http_client.InferenceServerClient]:
    made = http_client.InferenceServerClient(server.http_url)
    yield made
    made.close()


def ask(client: http_client.InferenceServerClient, model: str) -> http_client.InferResult:
    tensor = http_client.InferInput("X", [3], "INT32")
    tensor.set_data_from_numpy(np.array([1, 2, 3], np.int32))
    return client.infer(model, [tensor])


@pytest.mark.parametrize(("model", "factor"), [("twice", 2), ("thrice", 3), ("here", 5)])
def test_models_with_their_own_files(
    client: http_client.InferenceServerClient, server: ServerProcess, model: str, factor: int
) -> None:
    """5.1: one `model.py`, and `initialize` gets what it gets everywhere."""
    answer = ask(client, model)
    assert answer.as_numpy("Y").tolist() == [factor, 2 * factor, 3 * factor]
    seen = answer.get_response()["parameters"]
    assert json.loads(seen["args"]) == sorted(
        ["model_config", "model_instance_kind", "model_instance_name", "model_instance_device_id"]
        + ["model_repository", "model_version", "model_name"]
    )
    assert (seen["name"], seen["backend"]) == (model, "scaler")
    assert (int(seen["pid"]) == server.running.pid) == (model == "here")


def test_the_configuration_is_completed_by_the_back_end(
    client: http_client.InferenceServerClient,
) -> None:
    """3.2, stage B."""
    config = client.get_model_config("twice")
    assert config["backend"] == "scaler"
    assert [tensor["name"] for tensor in config["input"]] == ["X"]


def test_errors_show_the_back_ends_files(client: http_client.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as caught:
        ask(client, "never")
    message = caught.value.message()
    assert "ValueError: a factor of nothing" in message
    assert "  scaler/model.py(" in message
    assert "  scaler/arithmetic.py(4): scaled" in message


def test_its_environment(client: http_client.InferenceServerClient) -> None:
    """3.4: `pb_exec_env_model.py.tar.gz` beside its `model.py`."""
    assert ask(client, "boxed").as_numpy("Y").tolist() == [b"7.0"]


def test_an_unknown_back_end(client: http_client.InferenceServerClient) -> None:
    """3.4, with what there is and where it was looked for."""
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("unknown")
    message = caught.value.message()
    assert "unable to find backend library for backend 'sclaer'" in message
    assert "onnxruntime" in message
    assert "/backends': boxed, scaler; '" in message
    assert "/backends/sclaer/model.py' is not there" in message


def test_no_name_leads_out_of_the_folder(client: http_client.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="unable to find backend library"):
        client.load_model("outside")
