# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which slots sequences have, who waits for one, and how the oldest are batched (S-23, S-27)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from plugged_models import Answer, Queue, until, write_model
from sequence_models import CONTROLS
from server_process import ServerProcess

#: Tells which instance executed a request, and as which row of the batch.
_SEATED = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.instance = int(args["model_instance_name"].rpartition("_")[2])

    def execute(self, requests):
        places = [np.array([[self.instance, row]], np.int32) for row in range(len(requests))]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("PLACE", p)]) for p in places]
"""
_PATIENT = "max_sequence_idle_microseconds: 60000000"


def write_seated(root: Path, name: str, strategy: str) -> None:
    """Two instances of two rows."""
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(_SEATED)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: 2 '
        'input { name: "X" data_type: TYPE_FP32 dims: [-1] }'
        'output { name: "PLACE" data_type: TYPE_INT32 dims: [2] }'
        "instance_group { kind: KIND_CPU count: 2 }"
        f"sequence_batching {{ {strategy} {_PATIENT} {CONTROLS % 'UINT64'} }}"
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seats")
    write_seated(root, "direct", "direct { }")
    write_seated(root, "candidates", "oldest { max_candidate_sequences: 1 }")
    pairs = "preferred_batch_size: [2] max_queue_delay_microseconds: 20000000"
    oldest = f"oldest {{ max_candidate_sequences: 4 {pairs} }}"
    write_model(root, "pairs", f"sequence_batching {{ {oldest} {_PATIENT} }}")
    return root


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "log") as started:
        yield started


class Sequences:
    """Sequences of one model, by a client of either protocol."""

    def __init__(self, server: ServerProcess, protocol: str, model: str) -> None:
        self._module: Any = {"http": triton_http, "grpc": triton_grpc}[protocol]
        url = {"http": server.http_url, "grpc": server.grpc_url}[protocol]
        self.client = self._module.InferenceServerClient(url)
        self._model = model

    def place(self, sequence: int, *, start: bool = False, end: bool = False) -> tuple[int, int]:
        """The instance and the row of its next request."""
        x = self._module.InferInput("X", [1, 1], "FP32")
        x.set_data_from_numpy(np.zeros((1, 1), np.float32))
        result = self.client.infer(
            self._model, [x], sequence_id=sequence, sequence_start=start, sequence_end=end
        )
        return place(result)

    def end(self, *sequences: int) -> None:
        for sequence in sequences:
            self.place(sequence, end=True)


def place(result: Any) -> tuple[int, int]:
    instance, row = result.as_numpy("PLACE")[0]
    return int(instance), int(row)


def place_of(answer: Answer) -> tuple[int, int]:
    until(lambda: answer.done)
    assert answer.result is not None, answer.error
    return place(answer.result)


@pytest.fixture(params=["http", "grpc"])
def direct(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Sequences]:
    sequences = Sequences(server, request.param, "direct")
    with sequences.client:
        yield sequences


def test_a_sequence_takes_the_lowest_free_slot(direct: Sequences) -> None:  # S-23
    """Over all instances: no second row of one before the first row of all."""
    places = [direct.place(sequence, start=True) for sequence in range(1, 5)]
    assert [row for _, row in places] == [0, 0, 1, 1]
    assert set(places) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert [direct.place(sequence) for sequence in range(1, 5)] == places
    direct.end(4, 1)  # the higher slot is free for longer
    assert direct.place(5, start=True) == places[0]
    assert direct.place(6, start=True) == places[3]
    direct.end(2, 3, 5, 6)


def test_the_backlog_takes_what_is_freed(
    direct: Sequences, server: ServerProcess, root: Path
) -> None:  # S-23
    """In the order of arrival; requests of a sequence that waits follow its first one."""
    places = [direct.place(sequence, start=True) for sequence in range(1, 5)]
    with Queue(server, root, "direct") as queue:
        fifth = [queue.put([0], sequence_id=5, sequence_start=True)]
        sixth = queue.put([0], sequence_id=6, sequence_start=True)
        fifth.append(queue.put([0], sequence_id=5))
        direct.end(3)
        assert [place_of(answer) for answer in fifth] == [places[2]] * 2
        assert not sixth.done
        assert queue.pending == 1
        direct.end(1)
        assert place_of(sixth) == places[0]
    direct.end(2, 4, 5, 6)


def test_candidates_are_slots(server: ServerProcess, root: Path) -> None:  # S-23
    """Of the strategy `oldest`: so many an instance, whatever the batch size."""
    sequences = Sequences(server, "grpc", "candidates")
    with sequences.client, Queue(server, root, "candidates") as queue:
        instances = [sequences.place(sequence, start=True)[0] for sequence in (1, 2)]
        assert sorted(instances) == [0, 1]
        third = queue.put([0], sequence_id=3, sequence_start=True)
        assert [sequences.place(sequence)[0] for sequence in (1, 2)] == instances
        assert not third.done
        sequences.end(2)
        assert place_of(third)[0] == instances[1]
        sequences.end(1, 3)


def test_one_request_of_a_sequence_at_a_time(server: ServerProcess, root: Path) -> None:  # S-27
    """Batches are of the preferred size, of requests of different sequences."""
    with Queue(server, root, "pairs") as queue:
        first = queue.put([1], sequence_id=1, sequence_start=True)
        second = queue.put([1], sequence_id=1, sequence_end=True)
        other = queue.send([1], sequence_id=2, sequence_start=True)
        assert first.ran == other.ran == (1, 2)
        assert not second.done
        last = queue.send([1], sequence_id=2, sequence_end=True)
        assert second.ran == last.ran == (2, 2)
