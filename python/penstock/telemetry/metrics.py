# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The metric families of contract 6, collected at scrape time from plain data.

A request costs nothing here: the core counts, and a scrape reads the counters. The data comes in by
callables, so that this room knows neither the engine nor the models.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from penstock.telemetry.latencies import (
    duration_histograms,
    first_response_histogram,
    latency_summaries,
)

#: Reasons of M-2; all four children exist from load.
FAILURE_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")


@dataclass(frozen=True)
class ModelSnapshot:
    """One loaded model version as the collector sees it.

    `statistics` has the shape of contract 1.11 (durations as {"count", "ns"}) plus `failures`
    (reason -> count), `pending`, `late` and `cached`, and the counts of histograms, bucket by
    bucket: `success_counts`, `queue_counts` and `first_response` ({"count", "ms", "counts"}).
    `tags` are the metric_tags of its configuration.
    """

    model: str
    version: str
    statistics: Mapping[str, Any]
    load_seconds: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    #: latency -> values in us, one a quantile; empty values: there are no summaries
    summaries: Mapping[str, Sequence[float]] = field(default_factory=dict)
    #: M-12; empty: there is no such histogram
    first_response_bounds_ms: Sequence[float] = ()
    #: of the one GPU that all its instances run on; empty otherwise
    gpu_uuid: str = ""
    #: the repository, with --model-namespacing (R-4)
    namespace: str = ""

    @functools.cached_property
    def labels(self) -> dict[str, str]:
        """model, version, gpu_uuid, and each metric tag with a leading underscore."""
        return {
            "model": self.model,
            "version": self.version,
            **({"namespace": self.namespace} if self.namespace else {}),
            **({"gpu_uuid": self.gpu_uuid} if self.gpu_uuid else {}),
            **{f"_{name}": value for name, value in self.tags.items()},
        }


@dataclass(frozen=True)
class _Family:
    """A per-model family: its name, HELP text (M-34), type, and how a value is read."""

    name: str
    help: str
    kind: str
    read: Callable[[ModelSnapshot], float | None]
    #: there only with counter_latencies
    latency: bool = False


def _duration(stage: str) -> Callable[[ModelSnapshot], float]:
    def read(snapshot: ModelSnapshot) -> float:
        return float(snapshot.statistics["inference_stats"][stage]["ns"] // 1000)

    return read


def _cache(outcome: str, field: str, divisor: int = 1) -> Callable[[ModelSnapshot], float | None]:
    """Of models whose answers are cached, and no others."""

    def read(snapshot: ModelSnapshot) -> float | None:
        if not snapshot.statistics["cached"]:
            return None
        return float(snapshot.statistics["inference_stats"][outcome][field] // divisor)

    return read


_FAMILIES = (
    _Family(
        "nv_inference_request_success",
        "Number of successful inference requests, all batch sizes",
        "counter",
        lambda s: float(s.statistics["inference_stats"]["success"]["count"]),
    ),
    _Family(
        "nv_inference_count",
        "Number of inferences performed (does not include cached requests)",
        "counter",
        lambda s: float(s.statistics["inference_count"]),
    ),
    _Family(
        "nv_inference_exec_count",
        "Number of model executions performed (does not include cached requests)",
        "counter",
        lambda s: float(s.statistics["execution_count"]),
    ),
    _Family(
        "nv_inference_request_duration_us",
        "Cumulative inference request duration in microseconds (includes cached requests)",
        "counter",
        _duration("success"),
        latency=True,
    ),
    _Family(
        "nv_inference_queue_duration_us",
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        "counter",
        _duration("queue"),
        latency=True,
    ),
    _Family(
        "nv_inference_compute_input_duration_us",
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        "counter",
        _duration("compute_input"),
        latency=True,
    ),
    _Family(
        "nv_inference_compute_infer_duration_us",
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        "counter",
        _duration("compute_infer"),
        latency=True,
    ),
    _Family(
        "nv_inference_compute_output_duration_us",
        "Cumulative inference compute output duration in microseconds (does not include cached "
        "requests)",
        "counter",
        _duration("compute_output"),
        latency=True,
    ),
    _Family(
        "nv_inference_pending_request_count",
        "Instantaneous number of pending requests awaiting execution per-model.",
        "gauge",
        lambda s: float(s.statistics["pending"]),
    ),
    _Family(
        "penstock_inference_deadline_refusals",
        "Number of requests refused at once because they could not meet their deadline",
        "counter",
        lambda s: float(s.statistics["late"]),
    ),
    _Family(
        "nv_model_load_duration_secs",
        "Model load time in seconds",
        "gauge",
        lambda s: s.load_seconds,
    ),
    _Family(
        "nv_cache_num_hits_per_model",
        "Number of cache hits per model",
        "counter",
        _cache("cache_hit", "count"),
        latency=True,
    ),
    _Family(
        "nv_cache_num_misses_per_model",
        "Number of cache misses per model",
        "counter",
        _cache("cache_miss", "count"),
        latency=True,
    ),
    _Family(
        "nv_cache_hit_duration_per_model",
        "Total cache hit duration per model, in microseconds",
        "counter",
        _cache("cache_hit", "ns", 1000),
        latency=True,
    ),
    _Family(
        "nv_cache_miss_duration_per_model",
        "Total cache miss (insert+lookup) duration per model, in microseconds",
        "counter",
        _cache("cache_miss", "ns", 1000),
        latency=True,
    ),
)


class ModelCollector(Collector):
    """M-1..M-17: one child per loaded version and family, gone when it is unloaded."""

    def __init__(
        self,
        snapshots: Callable[[], Iterable[ModelSnapshot]],
        *,
        counters: bool = True,
        duration_bounds_ns: Sequence[int] = (),
        quantiles: Sequence[float] = (),
    ) -> None:
        """`duration_bounds_ns`: of the histograms that every model has; empty: none has.

        Without `counters` those of latencies are not there, and the others stay 0 (M-30).
        """
        self._snapshots = snapshots
        self._counters = counters
        self._duration_bounds_ns = duration_bounds_ns
        self._quantiles = quantiles

    def collect(self) -> Iterator[Metric]:
        """Reads every model's counters once and yields the families."""
        snapshots = list(self._snapshots())
        yield self._failures(snapshots)
        for family in _FAMILIES:
            if self._counters or not family.latency:
                yield self._family(family, snapshots)
        if self._duration_bounds_ns:
            yield from duration_histograms(snapshots, self._duration_bounds_ns)
        yield first_response_histogram(snapshots)
        yield from latency_summaries(snapshots, self._quantiles)

    def _failures(self, snapshots: Iterable[ModelSnapshot]) -> Metric:
        metric = Metric(
            "nv_inference_request_failure",
            "Number of failed inference requests, all batch sizes",
            "counter",
        )
        for snapshot in snapshots:
            failures = snapshot.statistics["failures"] if self._counters else {}
            for reason in FAILURE_REASONS:
                labels = {**snapshot.labels, "reason": reason}
                metric.add_sample(metric.name, labels, float(failures.get(reason, 0)))
        return metric

    def _family(self, family: _Family, snapshots: Iterable[ModelSnapshot]) -> Metric:
        metric = Metric(family.name, family.help, family.kind)
        stays_zero = family.kind == "counter" and not self._counters
        for snapshot in snapshots:
            value = 0.0 if stays_zero else family.read(snapshot)
            if value is not None:
                metric.add_sample(family.name, snapshot.labels, value)
        return metric


class PinnedPoolCollector(Collector):
    """M-18: the size given to the pinned pool, and the bytes of it that are in use."""

    def __init__(self, total_bytes: int, used_bytes: Callable[[], int]) -> None:
        self._total_bytes = total_bytes
        self._used_bytes = used_bytes

    def collect(self) -> Iterator[Metric]:
        """Two gauges without labels."""
        yield _gauge(
            "nv_pinned_memory_pool_total_bytes",
            "Pinned memory pool total memory size, in bytes",
            float(self._total_bytes),
        )
        yield _gauge(
            "nv_pinned_memory_pool_used_bytes",
            "Pinned memory pool used memory size, in bytes",
            float(self._used_bytes()),
        )


class RemoteCacheCollector(Collector):
    """Whether the response cache outside the server answers."""

    def __init__(self, is_up: Callable[[], bool]) -> None:
        self._is_up = is_up

    def collect(self) -> Iterator[Metric]:
        """A gauge without labels, 1 or 0."""
        yield _gauge(
            "penstock_response_cache_up",
            "Whether the response cache outside the server can be used",
            float(self._is_up()),
        )


def _gauge(name: str, documentation: str, value: float) -> Metric:
    metric = Metric(name, documentation, "gauge")
    metric.add_sample(name, {}, value)
    return metric
