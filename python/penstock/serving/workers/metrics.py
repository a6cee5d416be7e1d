# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Custom metrics of models in worker processes: counted there, shown by the server.

A worker reports what was done to its metrics, increments added up, with every batch and every
200 ms; the server does the same to metrics of its own, which the instances of all models share. A
value that a model reads back is what its own process has counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from penstock.backends.python.pb_utils.errors import TritonModelException
from penstock.backends.python.pb_utils.metrics import (
    Change,
    Metric,
    MetricFamily,
    MetricKind,
    NamedMetric,
    observe_changes,
)
from penstock.serving.workers.control import Message

#: Metrics of one instance; more are not shown.
MAX_METRICS: Final = 1024
_EVERY_S: Final = 0.2


class MetricReport:
    """The worker's half. Any thread."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._sums: dict[tuple[NamedMetric, tuple[float, ...]], float] = {}
        self._others: list[tuple[NamedMetric, tuple[float, ...], Change, float]] = []
        self._started = False
        observe_changes(self._changed)

    def flush(self) -> None:
        """Sends what has changed, if anything has."""
        if not self._sums and not self._others:
            return
        with self._lock:
            sums, self._sums = self._sums, {}
            others, self._others = self._others, []
        changes = [
            _words(metric, buckets, Change.INCREMENT, value)
            for (metric, buckets), value in sums.items()
        ]
        changes += [_words(*other) for other in others]
        try:
            self._send({"is": "metrics", "changes": changes})
        except OSError:
            return  # the server is gone, or the model has closed the socket

    def _changed(
        self, metric: NamedMetric, buckets: tuple[float, ...], change: Change, value: float
    ) -> None:
        with self._lock:
            if change is Change.INCREMENT:
                key = (metric, buckets)
                self._sums[key] = self._sums.get(key, 0.0) + value
            else:
                self._others.append((metric, buckets, change, value))
            started, self._started = self._started, True
        if not started:
            threading.Thread(target=self._report, name="metrics", daemon=True).start()

    def _report(self) -> None:
        pause = threading.Event()
        while not pause.wait(_EVERY_S):
            self.flush()


def _words(
    metric: NamedMetric, buckets: tuple[float, ...], change: Change, value: float
) -> list[Any]:
    kind = metric.kind.value
    return [metric.family, metric.description, kind, metric.labels, buckets, change.value, value]


class MetricMirror:
    """The server's half, of one instance: the metrics live as long as this."""

    def __init__(self) -> None:
        self._metrics: dict[Any, Metric] = {}

    def apply(self, message: Message) -> None:
        """Does what a worker says it has done; what cannot be is not done."""
        changes = message.get("changes")
        for change in changes if isinstance(changes, list) else ():
            try:
                self._apply(*change)
            except (TypeError, ValueError, TritonModelException):
                continue

    def _apply(
        self,
        family: str,
        description: str,
        kind: str,
        labels: list[tuple[str, str]],
        buckets: list[float],
        change: str,
        value: float,
    ) -> None:
        key = (family, kind, tuple(map(tuple, labels)))
        metric = self._metrics.get(key)
        if metric is None:
            if len(self._metrics) >= MAX_METRICS:
                return
            made = MetricFamily(family, str(description), MetricKind(kind))
            metric = made.Metric(dict(labels), buckets or None)
            self._metrics[key] = metric
        match Change(change):
            case Change.INCREMENT:
                metric.increment(value)
            case Change.SET:
                metric.set(value)
            case Change.OBSERVE:
                metric.observe(value)
