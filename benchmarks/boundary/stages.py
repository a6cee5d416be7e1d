# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One engine driven by one thread, stage by stage: nobody waits, so each stage can be timed.

The thread submits a burst, plays the model's instance, drains the completions and encodes the
answers. Run as a program it repeats that and prints nothing: the work that compare.py counts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections import defaultdict
from collections.abc import Callable
from time import perf_counter_ns

from penstock._engine import (
    CompletionPort,
    Engine,
    GrpcCodec,
    HttpCodec,
    InferCall,
    ModelPlan,
    ModelVersion,
    TensorSpec,
)
from penstock.types import DataType

from benchmarks.load.workloads import SMALL, grpc_message, http_body

BURST = 16

Future = asyncio.Future[None]
Submit = Callable[[Future], InferCall]


def identity_plan(*, dynamic: bool = True) -> ModelPlan:
    """INPUT0 -> OUTPUT0 of any length."""
    return ModelPlan(
        name="identity",
        version=1,
        max_batch_size=64,
        inputs=[TensorSpec("INPUT0", DataType.FP32, (-1,))],
        outputs=[TensorSpec("OUTPUT0", DataType.FP32, (-1,))],
        dynamic_batching=dynamic,
    )


def publish(engine: Engine, plan: ModelPlan) -> ModelVersion:
    """The model, served under its name."""
    model = engine.create(plan)
    engine.publish(plan.name, [model])
    return model


class StagedEngine:
    """An engine with the identity model, and both codecs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()  # makes futures; it never runs
        self.engine = Engine()
        self.model = publish(self.engine, identity_plan())
        self.port = CompletionPort(self.engine)
        self._http = HttpCodec(self.engine, self.port)
        self._grpc = GrpcCodec(self.engine, self.port)

    def http(self, count: int, *, binary: bool = True) -> Submit:
        """Submits an HTTP body of `count` numbers."""
        body, json_size = http_body(count, binary=binary)
        json_bytes = json_size if binary else None
        return lambda future: self._http.submit("identity", -1, body, json_bytes, future)

    def grpc(self, count: int) -> Submit:
        """Submits a serialised ModelInferRequest with `count` numbers as raw bytes."""
        message = grpc_message("identity", count)
        return lambda future: self._grpc.submit(message, future)

    def burst(self, submit: Submit, size: int, times: dict[str, int]) -> list[bytes]:
        """`size` requests from message to message; adds ns per stage. The answers' bytes."""
        futures = [self._loop.create_future() for _ in range(size)]
        start = perf_counter_ns()
        calls = [submit(future) for future in futures]
        submitted = perf_counter_ns()
        batch = self.model.next(0)
        assert batch is not None and len(batch) == size
        pulled = perf_counter_ns()
        tensor = batch.gather("INPUT0")
        assert tensor is not None
        batch.scatter("OUTPUT0", tensor)
        executed = perf_counter_ns()
        self.model.complete(0, batch)
        completed = perf_counter_ns()
        self.port.drain()
        drained = perf_counter_ns()
        answers = [call.encode()[0] for call in calls]
        times["encode"] += perf_counter_ns() - drained
        times["drain"] += drained - completed
        times["complete"] += completed - executed
        times["gather, scatter"] += executed - pulled
        times["next"] += pulled - submitted
        times["submit"] += submitted - start
        return answers

    def stage_times(self, submit: Submit, *, size: int, seconds: float) -> dict[str, float]:
        """ns a request of each stage, medians over bursts within `seconds`."""
        samples: dict[str, list[int]] = defaultdict(list)
        for _ in range(20):
            self.burst(submit, size, defaultdict(int))
        end = perf_counter_ns() + int(seconds * 1e9)
        while perf_counter_ns() < end or len(samples["submit"]) < 5:
            times: dict[str, int] = defaultdict(int)
            self.burst(submit, size, times)
            for stage, ns in times.items():
                samples[stage].append(ns)
        return {stage: statistics.median(values) / size for stage, values in samples.items()}


def main() -> None:
    """Runs a number of bursts of small requests, HTTP and gRPC in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=int, required=True)
    bursts = parser.parse_args().bursts
    staged = StagedEngine()
    kinds = [staged.http(SMALL), staged.http(SMALL, binary=False), staged.grpc(SMALL)]
    times: dict[str, int] = defaultdict(int)
    for _ in range(bursts):
        for submit in kinds:
            staged.burst(submit, BURST, times)


if __name__ == "__main__":
    main()
