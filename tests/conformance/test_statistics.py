# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Statistics, index reasons and parameters in all their forms (1.3, 1.8, 1.10, 1.11, H-7, H-47)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from google.protobuf import json_format
from model_repository import write_identity, write_python
from server_process import ServerProcess
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

DEADLINE_S = 20.0
TRITONS_EXTENSIONS = (
    "classification",
    "sequence",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "system_shared_memory",
    "cuda_shared_memory",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
)
DURATIONS = {
    "success",
    "fail",
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
}

#: Answers with the parameters it was given, or fails.
_PARAMETERS = """
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            given = json.loads(request.parameters())
            if "fail" in given:
                error = pb_utils.TritonError("asked to fail")
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            batch = request.inputs()[0].as_numpy()
            outputs = [pb_utils.Tensor(f"OUTPUT{i}", batch) for i in range(2)]
            responses.append(pb_utils.InferenceResponse(outputs, parameters=given))
        return responses
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two repositories with a model in common; explicit, so that models come and go."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    write_python(first, "model", _PARAMETERS, max_batch_size=8)
    write_identity(first, "versions", versions=(1, 2), extra="version_policy { all {} }")
    write_identity(first, "never")
    for repository in (first, second):
        write_identity(repository, "twice")
    write_python(second, "broken", "raise RuntimeError('no such day')\n")
    options = [f"--model-repository={second}", "--model-control-mode=explicit"]
    options += ["--load-model=model", "--load-model=versions", "--strict-readiness=false"]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(first, log, *options) as started:
        yield started


def infer(server: ServerProcess, rows: int = 1, **parameters: Any) -> Any:
    tensor = {"datatype": "INT32", "shape": [rows, 4], "data": [1] * 4 * rows}
    inputs = [tensor | {"name": f"INPUT{index}"} for index in range(2)]
    body = {"inputs": inputs, "parameters": parameters}
    return server.request("POST", "/v2/models/model/infer", body)


def statistics(server: ServerProcess, path: str = "/v2/models/model/stats") -> list[Any]:
    reply = server.request("GET", path)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/json"
    entries: list[Any] = reply.json["model_stats"]
    return entries


def reload(server: ServerProcess) -> None:
    for action in ("unload", "load"):
        assert server.request("POST", f"/v2/repository/models/model/{action}").status == 200


def test_every_field_is_there_and_counters_begin_at_zero(served: ServerProcess) -> None:
    """1.11: counters are reset when the model is loaded again."""
    assert infer(served).status == 200
    reload(served)
    [entry] = statistics(served)
    [memory] = entry.pop("memory_usage")
    assert (memory["type"], memory["id"]) == ("CPU", 0) and memory["byte_size"] > 0
    none = {"count": 0, "ns": 0}
    assert entry == {
        "name": "model",
        "version": "1",
        "last_inference": 0,
        "inference_count": 0,
        "execution_count": 0,
        "inference_stats": dict.fromkeys(DURATIONS, none),
        "response_stats": {},
        "batch_stats": [],
    }


_BALLAST = """
import numpy as np

class TritonPythonModel:
    def initialize(self, args):
        self.ballast = np.ones(64 << 20, np.uint8)

    def execute(self, requests):
        return []
"""


@pytest.mark.parametrize("mode", ["process", "in_process"])
def test_memory_of_a_model(served: ServerProcess, mode: str) -> None:
    """1.11: of worker processes as it is now, of models in the server what their load has taken."""
    option = next(part for part in served.command if part.startswith("--model-repository="))
    repository = Path(option.partition("=")[2])
    name = f"ballast_{mode}"
    write_python(repository, name, _BALLAST)
    config = repository / name / "config.pbtxt"
    value = f'value {{ string_value: "{mode}" }}'
    config.write_text(f'{config.read_text()}\nparameters {{ key: "EXECUTION_MODE" {value} }}')
    assert served.request("POST", f"/v2/repository/models/{name}/load").status == 200
    [usage] = statistics(served, f"/v2/models/{name}/stats")[0]["memory_usage"]
    assert (usage["type"], usage["id"]) == ("CPU", 0)
    assert 64 << 20 <= usage["byte_size"] <= 128 << 20
    with grpc_client.InferenceServerClient(served.grpc_url) as client:
        message = client.get_inference_statistics(name).model_stats[0].memory_usage[0]
    assert (message.type, message.id) == ("CPU", 0)
    assert abs(message.byte_size - usage["byte_size"]) < 4 << 20
    assert served.request("POST", f"/v2/repository/models/{name}/unload").status == 200
    shutil.rmtree(repository / name)


def test_failures_are_counted_as_such(served: ServerProcess) -> None:
    reload(served)
    assert infer(served, fail=True).status == 500
    assert infer(served, rows=9).status == 400  # refused: counted nowhere
    assert infer(served).status == 200
    stats = statistics(served)[0]["inference_stats"]
    assert {name: stats[name]["count"] for name in DURATIONS} == {
        "success": 1,
        "fail": 1,
        "queue": 1,
        "compute_input": 1,
        "compute_infer": 1,
        "compute_output": 1,
        "cache_hit": 0,
        "cache_miss": 0,
    }
    assert stats["fail"]["ns"] > 0


def test_a_row_a_batch_size(served: ServerProcess) -> None:
    """1.11: ascending; the count is of executions."""
    reload(served)
    for rows in (5, 1, 5, 3):
        assert infer(served, rows).status == 200
    [entry] = statistics(served)
    counts = [(row["batch_size"], row["compute_infer"]["count"]) for row in entry["batch_stats"]]
    assert counts == [(1, 1), (3, 1), (5, 2)]
    assert (entry["inference_count"], entry["execution_count"]) == (14, 4)


def test_versions(served: ServerProcess) -> None:
    """H-7: one version, all of a model, all models."""
    [second] = statistics(served, "/v2/models/versions/versions/2/stats")
    assert (second["name"], second["version"]) == ("versions", "2")
    both = statistics(served, "/v2/models/versions/stats")
    assert [entry["version"] for entry in both] == ["1", "2"]
    everything = statistics(served, "/v2/models/stats")
    names = {(entry["name"], entry["version"]) for entry in everything}
    assert names == {("model", "1"), ("versions", "1"), ("versions", "2")}


def test_both_protocols_say_the_same(served: ServerProcess) -> None:
    """G-9: message and JSON have the same content."""
    assert infer(served, 2).status == 200
    with grpc_client.InferenceServerClient(served.grpc_url) as client:
        message = client.get_inference_statistics("model")
    expected = service_pb2.ModelStatisticsResponse()
    json_format.ParseDict({"model_stats": statistics(served)}, expected)
    assert message == expected


def test_reasons_in_the_index(served: ServerProcess) -> None:
    """REP-1, X-18, X-61: never loaded, in two repositories, failed, unloaded, ready."""
    for name in ("twice", "broken"):
        assert served.request("POST", f"/v2/repository/models/{name}/load").status in (400, 500)
    served.request("POST", "/v2/repository/models/model/unload")
    deadline = time.monotonic() + DEADLINE_S
    state = "UNLOADING"
    while state == "UNLOADING":
        assert time.monotonic() < deadline, "the model does not end"
        index = served.request("POST", "/v2/repository/index").json
        entries = {(entry["name"], entry.get("version")): entry for entry in index}
        state = entries["model", "1"]["state"]
    assert entries["never", None] == {"name": "never"}
    assert entries["twice", None] == {
        "name": "twice",
        "state": "UNAVAILABLE",
        "reason": "model appears in two or more repositories",
    }
    broken = entries["broken", "1"]
    assert broken["state"] == "UNAVAILABLE" and "no such day" in broken["reason"]
    unloaded = {"name": "model", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
    assert entries["model", "1"] == unloaded
    ready = {"name": "versions", "version": "2", "state": "READY"}
    assert entries["versions", "2"] == ready
    with grpc_client.InferenceServerClient(served.grpc_url) as client:
        lines = client.get_model_repository_index(as_json=True)["models"]
        assert {line["name"]: line.get("reason", "") for line in lines} == {
            entry["name"]: entry.get("reason", "") for entry in index
        }
        message = service_pb2.RepositoryIndexRequest(repository_name="r")
        with pytest.raises(Exception, match="'repository_name' specification is not supported"):
            client._client_stub.RepositoryIndex(message)
    ready_only = served.request("POST", "/v2/repository/anything/index", {"ready": True}).json
    assert {entry["name"] for entry in ready_only} == {"versions"}
    assert served.request("POST", "/v2/repository/models/model/load").status == 200


def test_parameters_there_and_back(served: ServerProcess) -> None:
    """H-47, 1.8: every type that the protocols have."""
    given = {"text": "a", "whole": -3, "on": False, "real": 0.5}
    assert infer(served, **given).json["parameters"] == given
    inputs = [grpc_client.InferInput(f"INPUT{index}", [1, 4], "INT32") for index in range(2)]
    for tensor in inputs:
        tensor.set_data_from_numpy(np.ones((1, 4), np.int32))
    with grpc_client.InferenceServerClient(served.grpc_url) as client:
        response = client.infer("model", inputs, parameters=given).get_response()
        kinds = {
            name: value.WhichOneof("parameter_choice")
            for name, value in response.parameters.items()
        }
        assert kinds == {
            "text": "string_param",
            "whole": "int64_param",
            "on": "bool_param",
            "real": "double_param",
        }
        with pytest.raises(InferenceServerException, match="reserved"):
            client.infer("model", inputs, parameters={"triton_x": 1})


def test_the_extensions_that_are_served(served: ServerProcess) -> None:
    """1.3: in Triton's order."""
    extensions = served.request("GET", "/v2").json["extensions"]
    order = [name for name in TRITONS_EXTENSIONS if name in extensions]
    assert extensions == order
    assert {"sequence", "parameters", "statistics"} <= set(extensions)
