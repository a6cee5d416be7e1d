# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Latency and throughput of every model, measured in turns.

The models are asked one after the other, a few requests each, round by round, so that what else the
machine does meets all of them alike.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from penstock.comparison.models import Client

_ROUNDS: Final = 10


@dataclass(frozen=True)
class Load:
    """How many requests of each model are timed, and how many of them are in flight."""

    requests: int = 100
    concurrency: int = 1
    warm_up: int = 5


@dataclass
class Timing:
    """What was seen of one model; times are in seconds."""

    latencies_s: list[float] = field(default_factory=list)
    busy_s: float = 0.0
    rows: int = 0

    def percentile_ms(self, percent: float) -> float:
        """Milliseconds that so many percent of the requests took at most."""
        return float(np.percentile(self.latencies_s, percent, method="inverted_cdf")) * 1e3

    @property
    def requests_per_s(self) -> float:
        """Over the time in which this model was asked."""
        return len(self.latencies_s) / self.busy_s

    @property
    def rows_per_s(self) -> float:
        """The same of rows; a request of a model that does not batch is one."""
        return self.rows / self.busy_s


@dataclass(frozen=True)
class Candidate:
    """A model's requests, ready to be sent, and their rows."""

    client: Client
    requests: Sequence[object]
    rows: Sequence[int]


def measure(candidates: Sequence[Candidate], load: Load) -> list[Timing]:
    """Blocks until every model has answered. Raises ComparisonError when one does not."""
    timings = [Timing() for _ in candidates]
    shares = [len(share) for share in np.array_split(np.arange(load.requests), _ROUNDS)]
    with ThreadPoolExecutor(load.concurrency, thread_name_prefix="compare") as threads:
        for candidate in candidates:
            _round(candidate, Timing(), load.warm_up, 0, load.concurrency, threads)
        for turn, share in enumerate(share for share in shares if share):
            order = list(zip(candidates, timings, strict=True))
            # Every other round backwards: nobody is always the one after the same neighbour.
            for candidate, timing in order if turn % 2 == 0 else reversed(order):
                first = len(timing.latencies_s)
                _round(candidate, timing, share, first, load.concurrency, threads)
    return timings


def _round(
    candidate: Candidate,
    timing: Timing,
    count: int,
    first: int,
    concurrency: int,
    threads: ThreadPoolExecutor,
) -> None:
    """`count` requests from the one with the number `first` on."""
    numbers = itertools.islice(itertools.count(first), count)

    def work() -> list[float]:
        spent = []
        for number in numbers:  # next() of a C iterator: each number goes to one thread
            request = candidate.requests[number % len(candidate.requests)]
            started = time.perf_counter()
            candidate.client.send(request)
            spent.append(time.perf_counter() - started)
        return spent

    started = time.perf_counter()
    workers = [threads.submit(work) for _ in range(min(concurrency, count))]
    results = [worker.result() for worker in workers]
    timing.busy_s += time.perf_counter() - started
    for latencies in results:
        timing.latencies_s += latencies
    for number in range(first, first + count):
        timing.rows += candidate.rows[number % len(candidate.rows)]
