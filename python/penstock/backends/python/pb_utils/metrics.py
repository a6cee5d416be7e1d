# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Custom metrics of models: `MetricFamily` and `Metric` (contract 5.1, 5.8, M-22).

Families of one name are one, as are metrics of one family with equal labels: the instances of a
model count together. A metric is exposed as long as a model holds on to it.
"""

from __future__ import annotations

import enum
import re
import threading
import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from prometheus_client.core import Metric as Exposition
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .errors import TritonModelException
from .text import Text, text_of

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class MetricKind(enum.Enum):
    """What a family counts."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"

    def refuse(self, what: str) -> TritonModelException:
        """The error for an operation that metrics of this kind have not."""
        return TritonModelException(f"TRITONSERVER_METRIC_KIND_{self.name} does not support {what}")


class Change(enum.Enum):
    """What is done to a metric, from when it is there until nobody holds on to it."""

    BEGIN = "begin"
    INCREMENT = "increment"
    SET = "set"
    OBSERVE = "observe"
    END = "end"


class _Cell:
    """The value of one metric, shared by all that count in it."""

    def __init__(self, labels: dict[str, str], buckets: tuple[float, ...]) -> None:
        self.labels = labels
        self.key = tuple(sorted(labels.items()))
        self.buckets = buckets
        self.lock = threading.Lock()
        self.value = 0.0  # a histogram's sum
        self.counts = [0] * (len(buckets) + 1)

    def change(self, kind: Change, value: float) -> None:
        """The one way to change it."""
        with self.lock:
            if kind is Change.OBSERVE:
                self.counts[bisect_left(self.buckets, value)] += 1
            if kind is Change.SET:
                self.value = value
            else:
                self.value += value


class _Family:
    """All metrics of one name."""

    def __init__(self, name: str, description: str, kind: MetricKind) -> None:
        self.name = name
        self.description = description
        self.kind = kind
        self.lock = threading.Lock()
        self.cells: WeakValueDictionary[frozenset[tuple[str, str]], _Cell] = WeakValueDictionary()

    def cell(self, labels: dict[str, str], buckets: tuple[float, ...]) -> _Cell:
        key = frozenset(labels.items())
        with self.lock:
            cell = self.cells.get(key)
            if cell is not None:
                return cell
            cell = self.cells[key] = _Cell(labels, buckets)
        if observer := _families.observer:
            named = self.named(cell)
            observer(named, buckets, Change.BEGIN, 0.0)
            weakref.finalize(cell, observer, named, buckets, Change.END, 0.0).atexit = False
        return cell

    def named(self, cell: _Cell) -> NamedMetric:
        return NamedMetric(self.name, self.description, self.kind, cell.key)

    def expose(self) -> Exposition:
        family = Exposition(self.name, self.description, self.kind.value)
        with self.lock:
            cells = list(self.cells.values())
        for cell in cells:
            with cell.lock:
                value, counts = cell.value, list(cell.counts)
            if self.kind is not MetricKind.HISTOGRAM:
                family.add_sample(self.name, cell.labels, value)
                continue
            bounds = [floatToGoString(bound) for bound in cell.buckets] + ["+Inf"]
            for bound, count in zip(bounds, accumulate(counts), strict=True):
                family.add_sample(f"{self.name}_bucket", {**cell.labels, "le": bound}, count)
            family.add_sample(f"{self.name}_count", cell.labels, sum(counts))
            family.add_sample(f"{self.name}_sum", cell.labels, value)
        return family


class NamedMetric(NamedTuple):
    """Which metric: by what it is called in the exposition."""

    family: str
    description: str
    kind: MetricKind
    labels: tuple[tuple[str, str], ...]


#: Called with the metric, its buckets, what was done, and with which value; from the garbage
#: collection too, so on any thread and at any point of it.
Observer = Callable[[NamedMetric, tuple[float, ...], Change, float], None]
#: Called with the metric: its value, of all processes together; None where nobody knows.
Reader = Callable[[NamedMetric], float | None]


class _Families(Collector):
    """The families that models hold on to, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families: WeakValueDictionary[str, _Family] = WeakValueDictionary()
        #: told of every change; in a worker process, which shows nothing itself
        self.observer: Observer | None = None
        #: asked for values; in a worker process
        self.reader: Reader | None = None

    def find(self, name: str, description: str, kind: MetricKind) -> _Family:
        with self._lock:
            family = self._families.get(name)
            if family is None:
                family = self._families[name] = _Family(name, description, kind)
            if family.kind is not kind:
                raise TritonModelException(
                    f"metric family '{name}' exists with kind {family.kind.name}, it cannot be "
                    f"registered with kind {kind.name}"
                )
            return family

    def collect(self) -> Iterator[Exposition]:
        with self._lock:
            families = list(self._families.values())
        for family in families:
            yield family.expose()


_families: Final = _Families()

#: What the metrics port shows beside the server's own families.
custom_metrics: Final[Collector] = _families


def observe_changes(observer: Observer | None, reader: Reader | None = None) -> None:
    """From now on all changes of all metrics of the process are told, and their values asked for;
    or none."""
    _families.observer = observer
    _families.reader = reader


class Metric:
    """One value of a family; made by `MetricFamily.Metric`."""

    __slots__ = ("_cell", "_family")

    def __init__(self, family: _Family, cell: _Cell) -> None:
        self._family = family
        self._cell = cell

    def increment(self, value: float) -> None:
        """Add to a counter (not below 0) or a gauge."""
        kind = self._family.kind
        if kind is MetricKind.HISTOGRAM:
            raise kind.refuse("Increment")
        if kind is MetricKind.COUNTER and not value >= 0:
            raise TritonModelException(
                "TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically by "
                "non-negative values."
            )
        self._change(Change.INCREMENT, value)

    def set(self, value: float) -> None:
        """Set a gauge."""
        if self._family.kind is not MetricKind.GAUGE:
            raise self._family.kind.refuse("Set")
        self._change(Change.SET, value)

    def observe(self, value: float) -> None:
        """Count a value in a histogram."""
        if self._family.kind is not MetricKind.HISTOGRAM:
            raise self._family.kind.refuse("Observe")
        self._change(Change.OBSERVE, value)

    def value(self) -> float:
        """The present value of a counter or gauge, as the metrics port shows it."""
        if self._family.kind is MetricKind.HISTOGRAM:
            raise self._family.kind.refuse("Value")
        if _families.reader is not None:
            total = _families.reader(self._family.named(self._cell))
            if total is not None:
                return total
        with self._cell.lock:
            return self._cell.value

    def _change(self, kind: Change, value: float) -> None:
        self._cell.change(kind, float(value))
        if _families.observer is not None:
            named = self._family.named(self._cell)
            _families.observer(named, self._cell.buckets, kind, float(value))


class MetricFamily:
    """Metrics of one name and kind, told apart by labels."""

    COUNTER: Final = MetricKind.COUNTER
    GAUGE: Final = MetricKind.GAUGE
    HISTOGRAM: Final = MetricKind.HISTOGRAM

    def __init__(self, name: Text, description: Text, kind: MetricKind) -> None:
        """Raises TritonModelException for a name Prometheus has not, or has with another kind."""
        name = text_of(name, "the name of a metric family")
        description = text_of(description, "the description of a metric family")
        if not _NAME.fullmatch(name):
            raise TritonModelException(f"invalid metric family name '{name}'")
        self._family = _families.find(name, description, MetricKind(kind))

    def Metric(
        self, labels: Mapping[str, str] | None = None, buckets: Sequence[float] | None = None
    ) -> Metric:
        """The metric with these labels; histograms need ascending bucket bounds."""
        for name, value in (labels or {}).items():
            if not isinstance(name, str) or not _LABEL.fullmatch(name):
                raise TritonModelException(f"invalid metric label name '{name}'")
            if not isinstance(value, str):
                raise TritonModelException(f"metric label '{name}' must be a str, found '{value}'")
        histogram = self._family.kind is MetricKind.HISTOGRAM
        if not histogram and buckets is not None:
            raise TritonModelException(
                "Unexpected buckets found, buckets are only supported for histograms."
            )
        if histogram and not buckets:
            raise TritonModelException("Histogram metrics require buckets.")
        bounds = tuple(float(bound) for bound in buckets or ())
        if any(not low < high for low, high in zip(bounds, bounds[1:], strict=False)):
            raise TritonModelException(
                f"Histogram buckets must be in ascending order, found {bounds}"
            )
        return Metric(self._family, self._family.cell(dict(labels or {}), bounds))
