# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Custom metrics of models in worker processes: counted there, shown by the server.

A worker reports what was done to its metrics, in that order and increments added up, with every
batch and every 200 ms; the server does the same to metrics of its own, which the instances of all
models share. A value that a model reads back is the server's, so of all instances.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
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
from penstock.errors import InvalidArgError, ServerError
from penstock.serving.workers.control import Message

#: Metrics of one instance; more are not shown.
MAX_METRICS: Final = 1024
_EVERY_S: Final = 0.2
#: Changes of one message.
_MOST: Final = 1024
#: Changes of which two are as one.
_SUMS: Final = frozenset({Change.INCREMENT, Change.SET})


@dataclass(slots=True)
class _Entry:
    """Something to report; what follows on it may be made one with it."""

    metric: NamedMetric
    buckets: tuple[float, ...]
    change: Change
    value: float

    def take(self, change: Change, value: float) -> bool:
        """Whether it says now what both did, one after the other."""
        if self.change not in _SUMS or change not in _SUMS:
            return False
        if change is Change.SET:
            self.change, self.value = change, value
        else:
            self.value += value
        return True

    def words(self) -> list[Any]:
        name, description, kind, labels = self.metric
        words = (description, kind.value, labels, self.buckets, self.change.value, self.value)
        return [name, *words]


class MetricReport:
    """The worker's half. Any thread."""

    def __init__(self, send: Callable[[Message], None], ask: Callable[[Message], Any]) -> None:
        """`send`: to the server; `ask`: the same, for its answer."""
        self._send = send
        self._ask = ask
        # Reentrant: a garbage collection inside of it may find a metric that is no more.
        self._lock = threading.RLock()
        self._entries: list[_Entry] = []
        self._last: dict[NamedMetric, _Entry] = {}
        self._started = False
        observe_changes(self._changed, self._value)

    def flush(self) -> None:
        """Sends what has changed, if anything has."""
        if not self._entries:
            return
        with self._lock:
            entries, self._entries = self._entries, []
            self._last = {}
        try:
            for start in range(0, len(entries), _MOST):
                words = [entry.words() for entry in entries[start : start + _MOST]]
                self._send({"is": "metrics", "changes": words})
        except OSError:
            return  # the server is gone, or the model has closed the socket

    def _value(self, metric: NamedMetric) -> float | None:
        self.flush()
        family, description, kind, labels = metric
        named = {"family": family, "description": description, "kind": kind.value, "labels": labels}
        try:
            return float(self._ask({"do": "value", **named}))
        except (OSError, EOFError, ServerError):
            return None  # the server is gone, or shows no more of this instance's metrics

    def _changed(
        self, metric: NamedMetric, buckets: tuple[float, ...], change: Change, value: float
    ) -> None:
        with self._lock:
            last = self._last.get(metric)
            if last is not None and last.take(change, value):
                return
            entry = self._last[metric] = _Entry(metric, buckets, change, value)
            self._entries.append(entry)
            started, self._started = self._started, True
        if not started:
            threading.Thread(target=self._report, name="metrics", daemon=True).start()

    def _report(self) -> None:
        pause = threading.Event()
        while not pause.wait(_EVERY_S):
            self.flush()


class MetricMirror:
    """The server's half, of one instance: the metrics live as long as this."""

    def __init__(self) -> None:
        self._metrics: dict[Any, Metric] = {}
        self._lock = threading.Lock()  # values are asked for on threads of their own

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
        named = _named(family, description, kind, labels)
        if change == Change.END.value:
            self._metrics.pop(_key(named), None)
            return
        metric = self._metric(named, buckets)
        match Change(change):
            case Change.INCREMENT:
                metric.increment(value)
            case Change.SET:
                metric.set(value)
            case Change.OBSERVE:
                metric.observe(value)

    def value(self, question: Message) -> float:
        """What a worker asks for. Raises InvalidArgError when there is no such metric."""
        try:
            named = _named(*(question[key] for key in ("family", "description", "kind", "labels")))
            return self._metric(named, []).value()
        except (KeyError, TypeError, ValueError, TritonModelException) as error:
            raise InvalidArgError(f"no such metric: {error}") from None

    def _metric(self, named: NamedMetric, buckets: list[float]) -> Metric:
        with self._lock:
            metric = self._metrics.get(_key(named))
            if metric is None:
                if len(self._metrics) >= MAX_METRICS:
                    raise ValueError(f"more than {MAX_METRICS} metrics")
                made = MetricFamily(named.family, named.description, named.kind)
                metric = made.Metric(dict(named.labels), buckets or None)
                self._metrics[_key(named)] = metric
            return metric


def _named(family: Any, description: Any, kind: Any, labels: Any) -> NamedMetric:
    """What a worker says; what it is not shows when a metric is made of it."""
    pairs = tuple((name, value) for name, value in labels)
    return NamedMetric(family, str(description), MetricKind(kind), pairs)


def _key(named: NamedMetric) -> tuple[Any, ...]:
    return (named.family, named.kind, named.labels)
