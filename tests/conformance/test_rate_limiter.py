# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The rate limiter: resources, priorities and their errors (contract 4.5, C-16, O-61, O-62)."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

#: Tells the name of its instance, and when it began and ended to execute.
_NOTING = """
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.name = args["model_instance_name"].encode()

    def execute(self, requests):
        begin = time.monotonic()
        time.sleep({seconds})
        times = np.array([begin, time.monotonic()])
        name = np.array([self.name], dtype=object)
        tensors = [pb_utils.Tensor("NAME", name), pb_utils.Tensor("TIMES", times)]
        return [pb_utils.InferenceResponse(tensors) for _ in requests]
"""

_EXECUTION_COUNT = "--rate-limit=execution_count"


def group(count: int = 1, priority: int = 0, name: str = "", **resources: int) -> str:
    """An instance group; resources whose names begin with G are global."""
    needs = "".join(
        f'resources {{ name: "{key}" count: {value} '
        f"{'global: true' if key.startswith('G') else ''} }} "
        for key, value in resources.items()
    )
    return (
        f'instance_group {{ name: "{name}" count: {count} kind: KIND_CPU '
        f"rate_limiter {{ priority: {priority} {needs} }} }}\n"
    )


def write_model(root: Path, name: str, groups: str, seconds: float = 0.005) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(_NOTING.format(seconds=seconds))
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: 0 {groups}'
        'input { name: "X" data_type: TYPE_FP32 dims: [1] }'
        'output { name: "NAME" data_type: TYPE_STRING dims: [1] }'
        'output { name: "TIMES" data_type: TYPE_FP64 dims: [2] }'
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models and resources of every test have names of their own."""
    return tmp_path_factory.mktemp("limited_models")


def serve(root: Path, log: Path, *options: str) -> ServerProcess:
    return ServerProcess(root, log / "log", "--model-control-mode=explicit", *options)


@pytest.fixture(scope="module")
def limited(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("log")
    counts = ["--rate-limit-resource=TWO:2", "--rate-limit-resource=PAIR:2:0"]
    with serve(root, log, _EXECUTION_COUNT, *counts) as server:
        yield server


def load(server: ServerProcess, *models: str) -> None:
    with triton_http.InferenceServerClient(server.http_url, network_timeout=60) as client:
        for model in models:
            client.load_model(model)


def refused(server: ServerProcess, model: str) -> str:
    with (
        triton_http.InferenceServerClient(server.http_url, network_timeout=60) as client,
        pytest.raises(InferenceServerException) as caught,
    ):
        client.load_model(model)
    text: str = caught.value.message()
    return text


class Executions:
    """What ran: the instances' names and times, in the order in which they began."""

    def __init__(self, answers: Sequence[tuple[str, float, float]]) -> None:
        self._answers = sorted(answers, key=lambda answer: answer[1])

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self._answers]

    def most(self, **counts: int) -> int:
        """The most of a resource ever in use, of which an instance of a group takes so much."""
        changes = []
        for name, begin, end in self._answers:
            count = counts[name.rpartition("_")[0]]
            changes += [(begin, count), (end, -count)]
        used = np.cumsum([change for _, change in sorted(changes)])
        return int(used.max())


def run(server: ServerProcess, requests: int, *models: str) -> Executions:
    """So many requests to each model, all of them at once."""
    x = np.zeros(1, np.float32)

    def ask(model: str) -> tuple[str, float, float]:
        tensor = triton_grpc.InferInput("X", [1], "FP32").set_data_from_numpy(x)
        result = client.infer(model, [tensor], client_timeout=60)
        begin, end = result.as_numpy("TIMES")
        return result.as_numpy("NAME")[0].decode(), float(begin), float(end)

    with (
        triton_grpc.InferenceServerClient(server.grpc_url) as client,
        ThreadPoolExecutor(requests * len(models)) as threads,
    ):
        asked: list[Future[tuple[str, float, float]]] = [
            threads.submit(ask, model) for _ in range(requests) for model in models
        ]
        return Executions([each.result() for each in asked])


def test_never_more_in_execution_than_the_resources_allow(
    root: Path, limited: ServerProcess
) -> None:
    write_model(root, "one", group(3, name="ones", TWO=1))
    write_model(root, "two", group(2, name="twos", TWO=2))
    load(limited, "one", "two")
    ran = run(limited, 16, "one", "two")
    assert len(ran.names) == 32
    assert ran.most(ones=1, twos=2) == 2  # reached, and not passed
    assert {name.rpartition("_")[0] for name in ran.names} == {"ones", "twos"}


def test_without_a_count_there_is_what_the_most_demanding_needs(
    root: Path, limited: ServerProcess
) -> None:
    write_model(root, "small", group(4, name="small", FREE=1))
    write_model(root, "large", group(1, name="large", FREE=3))
    load(limited, "small")
    assert run(limited, 12, "small").most(small=1) == 1
    load(limited, "large")  # now there are three
    assert run(limited, 12, "small").most(small=1) == 3
    with triton_http.InferenceServerClient(limited.http_url, network_timeout=60) as client:
        client.unload_model("large")
    until(lambda: "successfully unloaded 'large' version 1" in limited.log)
    assert run(limited, 12, "small").most(small=1) == 1


def test_a_priority_of_two_has_half_the_chances(root: Path, limited: ServerProcess) -> None:
    write_model(root, "first", group(priority=1, name="first", CHANCE=1))
    write_model(root, "second", group(priority=2, name="second", CHANCE=1))
    load(limited, "first", "second")
    names = run(limited, 60, "first", "second").names
    chances = Counter(name for name in names[:60])  # while both have requests
    assert 1.6 <= chances["first_0"] / chances["second_0"] <= 2.4


def test_priorities_within_a_model(root: Path, limited: ServerProcess) -> None:
    groups = group(priority=1, name="often", OWN=1) + group(priority=2, name="seldom", OWN=1)
    write_model(root, "both", groups)
    load(limited, "both")
    ran = run(limited, 60, "both")
    assert ran.most(often=1, seldom=1) == 1
    chances = Counter(ran.names)
    assert 1.6 <= chances["often_0"] / chances["seldom_0"] <= 2.4


def test_the_next_is_the_one_that_ran_least_also_when_nobody_waits(
    root: Path, limited: ServerProcess
) -> None:
    groups = group(priority=1, name="often") + group(priority=2, name="seldom")
    write_model(root, "idle", groups, seconds=0)
    load(limited, "idle")
    names = [run(limited, 1, "idle").names[0] for _ in range(12)]
    # Exactly 8, unless one was still on its way back from a request when the next one came.
    assert 7 <= Counter(names)["often_0"] <= 9


def test_counts_that_are_too_small_fail_the_load(root: Path, limited: ServerProcess) -> None:
    write_model(root, "greedy", group(PAIR=3))
    assert (
        'Resource count for "PAIR" is limited to 2 which will prevent scheduling of one or more '
        "model instances, the minimum required count is 3"
    ) in refused(limited, "greedy")
    write_model(root, "modest", group(name="modest", PAIR=1))
    load(limited, "modest")
    assert run(limited, 2, "modest").most(modest=1) >= 1


def test_a_resource_is_global_or_of_devices(root: Path, limited: ServerProcess) -> None:
    text = (
        'Resource "G" is present as both global and device-specific resource in the model '
        "configuration."
    )
    write_model(root, "everywhere", group(name="everywhere", G=1))
    config = group(name="device", G=1).replace("global: true", "")
    write_model(root, "device", config)
    write_model(root, "mixed", group(name="mixed", G=1) + config)
    assert text in refused(limited, "mixed")
    load(limited, "everywhere")
    assert text in refused(limited, "device")
    index = limited.request("POST", "/v2/repository/index").json
    assert text in next(row["reason"] for row in index if row["name"] == "device")


def test_sequences_and_batches_are_limited_too(root: Path, limited: ServerProcess) -> None:
    tensors = (
        'input { name: "INPUT0" data_type: TYPE_FP32 dims: [1] } '
        'output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [1] } '
        'parameters { key: "execute_delay_ms" value: { string_value: "5" } } '
    )
    kinds = {
        "merging": "dynamic_batching { max_queue_delay_microseconds: 1000 }",
        "sequential": "sequence_batching { oldest { max_candidate_sequences: 4 } }",
    }
    for name, kind in kinds.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "config.pbtxt").write_text(
            f'name: "{name}" backend: "identity" max_batch_size: 4 {tensors} {kind} '
            f"{group(2, TWO=1)}"
        )
    load(limited, *kinds)
    x = np.array([[1]], np.float32)

    def ask(model: str, number: int) -> float:
        tensor = triton_grpc.InferInput("INPUT0", [1, 1], "FP32").set_data_from_numpy(x * number)
        result = client.infer(
            model,
            [tensor],
            sequence_id=number if model == "sequential" else 0,
            sequence_start=model == "sequential",
            sequence_end=model == "sequential",
            client_timeout=60,
        )
        return float(result.as_numpy("OUTPUT0").item())

    calls = [(model, number) for number in range(1, 13) for model in kinds]
    with (
        triton_grpc.InferenceServerClient(limited.grpc_url) as client,
        ThreadPoolExecutor(len(calls)) as threads,
    ):
        answers = [*threads.map(lambda call: ask(*call), calls)]
    assert answers == [number for _, number in calls]


#: Executes from when it notes that it began until it is told to end.
_HOLDING = """
import pathlib
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.folder = pathlib.Path(args["model_repository"])

    def execute(self, requests):
        (self.folder / "began").touch()
        while not (self.folder / "end").exists():
            time.sleep(0.002)
        name = pb_utils.Tensor("NAME", np.array([b"holder"], dtype=object))
        return [pb_utils.InferenceResponse([name]) for _ in requests]
"""


class Held:
    """One model holds the resource that another one waits for, until end()."""

    def __init__(self, root: Path, server: ServerProcess, threads: Executor, prefix: str) -> None:
        holder, waiter = f"{prefix}_holder", f"{prefix}_waiter"
        write_model(root, holder, group(**{prefix: 1}))
        (root / holder / "1" / "model.py").write_text(_HOLDING)
        write_model(root, waiter, group(**{prefix: 1}), seconds=0)
        load(server, holder, waiter)
        body = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [0]}]}
        ask = partial(threads.submit, server.request, "POST")
        self.replies = [ask(f"/v2/models/{holder}/infer", body)]
        until((root / holder / "began").exists)
        self.replies.append(ask(f"/v2/models/{waiter}/infer", body))
        pending = f'nv_inference_pending_request_count{{model="{waiter}",version="1"}}'
        until(lambda: server.metrics()[pending] == 1)
        self.end = (root / holder / "end").touch

    def statuses(self) -> list[int]:
        return [reply.result().status for reply in self.replies]


def test_a_model_that_waits_for_resources_can_be_unloaded(
    root: Path, limited: ServerProcess
) -> None:
    with ThreadPoolExecutor(2) as threads:
        held = Held(root, limited, threads, "unload")
        with triton_http.InferenceServerClient(limited.http_url, network_timeout=60) as client:
            client.unload_model("unload_waiter")
        assert not any(reply.done() for reply in held.replies)
        held.end()
        assert held.statuses() == [200, 200]  # what was accepted is served
    until(lambda: "successfully unloaded 'unload_waiter' version 1" in limited.log)


def test_the_server_stops_while_a_model_waits(root: Path, tmp_path: Path) -> None:
    with (
        serve(root, tmp_path, _EXECUTION_COUNT) as server,
        ThreadPoolExecutor(2) as threads,
    ):
        held = Held(root, server, threads, "stop")
        server.running.send_signal(signal.SIGTERM)
        held.end()
        assert held.statuses() == [200, 200]
        assert server.running.wait(20) == 0


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another process does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_off_ignores_everything(root: Path, tmp_path: Path) -> None:
    write_model(root, "free", group(4, name="free", R=9))
    with serve(root, tmp_path, "--rate-limit=off", "--rate-limit-resource=R:1") as server:
        load(server, "free")
        assert run(server, 12, "free").most(free=1) > 1
