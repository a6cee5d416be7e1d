# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Models that can be plugged: what comes meanwhile waits, in a known order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
from server_process import ServerProcess
from tritonclient.utils import InferenceServerException

#: Tells how many executions there were, and how many requests are in this one. X[0] == -1 plugs.
_SOURCE = """
import pathlib
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.folder = pathlib.Path(args["model_repository"])
        self.count = 0

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(r, "X").as_numpy() for r in requests]
        if any(x.flat[0] == -1 for x in inputs):
            (self.folder / "plugged").touch()
            while (self.folder / "plugged").exists():
                time.sleep(0.001)
        else:
            self.count += 1
        ran = [np.full((len(x), 2), (self.count, len(requests)), np.int32) for x in inputs]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("RAN", each)]) for each in ran]
"""


def write_model(root: Path, name: str, batching: str, *, max_batch_size: int = 4) -> None:
    """A model of one instance, unless `batching` says otherwise."""
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.py").write_text(_SOURCE)
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "python" max_batch_size: {max_batch_size} {batching}'
        'input { name: "X" data_type: TYPE_FP32 dims: [-1] }'
        'input { name: "Y" data_type: TYPE_FP32 dims: [1] optional: true }'
        'output { name: "RAN" data_type: TYPE_INT32 dims: [2] }'
    )


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another process does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Answer:
    """What becomes of one request."""

    def __init__(self) -> None:
        self.result: triton_grpc.InferResult | None = None
        self.error: InferenceServerException | None = None
        self.call: Any = None

    def set(self, result: triton_grpc.InferResult, error: InferenceServerException) -> None:
        self.error, self.result = error, result

    @property
    def done(self) -> bool:
        return self.result is not None or self.error is not None

    @property
    def ran(self) -> tuple[int, int]:
        """Which execution it was in, and how many requests that had."""
        until(lambda: self.done)
        assert self.error is None, self.error
        assert self.result is not None
        count, size = self.result.as_numpy("RAN")[0]
        return int(count), int(size)

    @property
    def refusal(self) -> tuple[str, str]:
        """Status and message of the error."""
        until(lambda: self.done)
        assert self.error is not None, self.ran
        return self.error.status(), self.error.message()


class Queue:
    """The queue of a model of one instance, which may be kept busy from plug() to pull()."""

    def __init__(self, server: ServerProcess, root: Path, model: str) -> None:
        self._server, self._model = server, model
        self._plug = root / model / "plugged"
        self._plugs: list[Answer] = []
        self._waiting = 0
        self._client = triton_grpc.InferenceServerClient(server.grpc_url)

    def __enter__(self) -> Queue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pull()
        self._client.close()

    def plug(self, rows: int = 1) -> None:
        """The instance executes until pull()."""
        self._plugs.append(self.send(*[[-1]] * rows))
        until(self._plug.exists)

    def send(self, *rows: Sequence[float], y: bool = False, **options: Any) -> Answer:
        """A request, and no look at what becomes of it."""
        x = np.array(rows, np.float32)
        inputs = [triton_grpc.InferInput("X", x.shape, "FP32").set_data_from_numpy(x)]
        if y:
            ones = np.ones((len(x), 1), np.float32)
            inputs.append(triton_grpc.InferInput("Y", ones.shape, "FP32").set_data_from_numpy(ones))
        answer = Answer()
        answer.call = self._client.async_infer(self._model, inputs, answer.set, **options)
        return answer

    def put(self, *rows: Sequence[float], y: bool = False, **options: Any) -> Answer:
        """A request that is in the queue, behind all that were put before."""
        answer = self.send(*rows, y=y, **options)
        self._waiting += 1
        until(lambda: self.pending == self._waiting)
        return answer

    def left(self) -> None:
        """One that was put waits no more."""
        self._waiting -= 1
        until(lambda: self.pending == self._waiting)

    def pull(self) -> None:
        """The instance goes on."""
        self._plug.unlink(missing_ok=True)
        until(lambda: all(plug.done for plug in self._plugs))

    @property
    def pending(self) -> int:
        name = f'nv_inference_pending_request_count{{model="{self._model}",version="1"}}'
        return int(self._server.metrics()[name])

    @property
    def executed(self) -> int:
        """Inferences that have ended."""
        row = self._server.request("GET", f"/v2/models/{self._model}/stats").json["model_stats"][0]
        return int(row["inference_count"])
