# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A real model with implicit state (C-20, C-21, S-30): voice activity over streams of sound.

The package's ONNX file alone is used: `make frameworks`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from model_repository import HAVE_ONNX
from server_process import ServerProcess

Floats = npt.NDArray[np.float32]
RATE = 16_000
#: Samples of a step: 64 of the step before, and 512 new ones.
CONTEXT, NEW = 64, 512

CONFIG = """
name: "vad" backend: "onnxruntime" max_batch_size: 0
input [
  { name: "input" data_type: TYPE_FP32 dims: [ 1, -1 ] },
  { name: "sr" data_type: TYPE_INT64 dims: [ 1 ] }
]
output [ { name: "output" data_type: TYPE_FP32 dims: [ 1, 1 ] } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
sequence_batching {
  oldest { max_candidate_sequences: 4 }
  state [ {
    input_name: "state" output_name: "stateN" data_type: TYPE_FP32 dims: [ 2, -1, 128 ]
    initial_state [
      { name: "silence" data_type: TYPE_FP32 dims: [ 2, 1, 128 ] zero_data: true }
    ]
  } ]
}
"""


def model_file() -> Path | None:
    spec = find_spec("silero_vad")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(location) / "data" / "silero_vad.onnx"
        if path.is_file():
            return path
    return None


pytestmark = pytest.mark.skipif(
    not HAVE_ONNX or model_file() is None, reason="silero-vad or onnxruntime is not installed"
)


def sound(seed: int, seconds: float) -> list[Floats]:
    """Steps of a stream: hum that swells and fades, and noise."""
    time = np.arange(int(seconds * RATE)) / RATE
    envelope = np.sin(2 * np.pi * 1.7 * time + seed) ** 2
    voice = sum(np.sin(2 * np.pi * (110 + 7 * seed) * k * time) / k for k in range(1, 12))
    noise = np.random.default_rng(seed).normal(0, 0.02, time.size)
    wave = (0.2 * envelope * voice + noise).astype(np.float32)
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), wave])
    starts = range(0, wave.size - NEW + 1, NEW)
    return [padded[start : start + CONTEXT + NEW].reshape(1, -1) for start in starts]


def alone(steps: list[Floats]) -> list[float]:
    """The model over the stream, without a server."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model_file()), options)
    state = np.zeros((2, 1, 128), np.float32)
    answers = []
    for step in steps:
        inputs = {"input": step, "state": state, "sr": np.array(RATE, np.int64)}
        output, state = session.run(["output", "stateN"], inputs)
        answers.append(float(output.item()))
    return answers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root = tmp_path_factory.mktemp("vad")
    (root / "vad" / "1").mkdir(parents=True)
    source = model_file()
    assert source is not None
    shutil.copy(source, root / "vad" / "1" / "model.onnx")
    (root / "vad" / "config.pbtxt").write_text(CONFIG)
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "server.log") as started:
        yield started


@pytest.mark.parametrize("module", [http_client, grpc_client], ids=["http", "grpc"])
def test_streams_side_by_side_are_heard_as_alone(server: ServerProcess, module: Any) -> None:
    url = server.http_url if module is http_client else server.grpc_url
    streams = {name: sound(seed, 3.0) for seed, name in enumerate(["first", "second", "third"])}
    heard: dict[str, list[float]] = {name: [] for name in streams}
    count = len(streams["first"])
    with module.InferenceServerClient(url) as client:
        for step in range(count):
            for name, steps in streams.items():
                wave = module.InferInput("input", list(steps[step].shape), "FP32")
                wave.set_data_from_numpy(steps[step])
                rate = module.InferInput("sr", [1], "INT64")
                rate.set_data_from_numpy(np.array([RATE], np.int64))
                result = client.infer(
                    "vad",
                    [wave, rate],
                    sequence_id=name,
                    sequence_start=step == 0,
                    sequence_end=step == count - 1,
                )
                heard[name].append(float(result.as_numpy("output").item()))
    for name, steps in streams.items():
        expected = alone(steps)
        assert heard[name] == expected
        assert len(set(expected)) > count // 2  # the state is at work: steps differ
