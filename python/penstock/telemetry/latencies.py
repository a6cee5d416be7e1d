# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Histograms and summaries of latencies, collected at scrape time (M-12, M-13, M-14, M-17).

Triton's own are there when --metrics-config asks for them. The two histograms named penstock_ are
ours: every model has them, always, in seconds, with buckets from 10 us to 50 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client.core import Metric

from penstock.telemetry.exposition import Histograms, number_text


class LatencySnapshot(Protocol):
    """One loaded model version, as metrics.ModelSnapshot."""

    @property
    def labels(self) -> dict[str, str]:
        """Those of all its metrics."""

    @property
    def statistics(self) -> Mapping[str, Any]:
        """Contract 1.11, and the counts of histograms, bucket by bucket."""

    @property
    def summaries(self) -> Mapping[str, Sequence[float]]:
        """Latency -> values in us, one a quantile."""

    @property
    def first_response_bounds_ms(self) -> Sequence[float]:
        """Empty: the model has no such histogram."""


@dataclass(frozen=True)
class _Histogram:
    """Of the successes, whose durations are counted in `stage`, or of their part of that name."""

    name: str
    help: str
    stage: str


_HISTOGRAMS = (
    _Histogram(
        "penstock_inference_request_duration_seconds",
        "Time from the queueing of a successful request to its answer, in seconds (includes "
        "cached requests)",
        "success",
    ),
    _Histogram(
        "penstock_inference_queue_duration_seconds",
        "Time that a successful request waited for its execution, in seconds (includes cached "
        "requests)",
        "queue",
    ),
)


@dataclass(frozen=True)
class _Summary:
    """`latency` is the engine's name, `stage` the one of the statistics extension."""

    name: str
    help: str
    latency: str
    stage: str
    #: only of models whose answers are cached (True), or only of the others (False)
    cached: bool | None = None


_SUMMARIES = (
    _Summary(  # not of models with a cache
        "nv_inference_request_summary_us",
        "Summary of inference request duration in microseconds (includes cached requests)",
        "request",
        "success",
        cached=False,
    ),
    _Summary(
        "nv_inference_queue_summary_us",
        "Summary of inference queuing duration in microseconds (includes cached requests)",
        "queue",
        "queue",
    ),
    *(
        _Summary(
            f"nv_inference_{stage}_summary_us",
            f"Summary of inference {words} duration in microseconds (does not include cached "
            "requests)",
            stage,
            stage,
        )
        for stage, words in (
            ("compute_input", "compute input"),
            ("compute_infer", "compute"),
            ("compute_output", "compute output"),
        )
    ),
    _Summary(
        "nv_cache_hit_summary_per_model",
        "Summary of cache hit duration per model, in microseconds",
        "cache_hit",
        "cache_hit",
        cached=True,
    ),
    _Summary(
        "nv_cache_miss_summary_per_model",
        "Summary of cache miss (insert+lookup) duration per model, in microseconds",
        "cache_miss",
        "cache_miss",
        cached=True,
    ),
)


def duration_histograms(
    snapshots: Iterable[LatencySnapshot], bounds_ns: Sequence[int]
) -> Iterator[Metric]:
    """Ours. `bounds_ns`: upper bounds of the counts, whose last one has none."""
    bounds = [number_text(bound / 1e9) for bound in bounds_ns]
    for histogram in _HISTOGRAMS:
        family = Histograms(histogram.name, histogram.help)
        for snapshot in snapshots:
            counts = snapshot.statistics[f"{histogram.stage}_counts"]
            seconds = snapshot.statistics["inference_stats"][histogram.stage]["ns"] / 1e9
            family.add(snapshot.labels, bounds, counts, seconds)
        yield family


def first_response_histogram(snapshots: Iterable[LatencySnapshot]) -> Metric:
    """M-12, of the models that keep it."""
    family = Histograms(
        "nv_inference_first_response_histogram_ms",
        "Duration from request to first response in milliseconds",
    )
    for snapshot in snapshots:
        if bounds := snapshot.first_response_bounds_ms:
            counted = snapshot.statistics["first_response"]
            texts = [number_text(bound) for bound in bounds]
            family.add(snapshot.labels, texts, counted["counts"], counted["ms"])
    return family


def latency_summaries(
    snapshots: Iterable[LatencySnapshot], quantiles: Sequence[float]
) -> Iterator[Metric]:
    """M-13, M-14, M-17, of the models that keep them; NaN where the last minute has seen nothing.

    Counts and sums are those of the counters, over all time.
    """
    for summary in _SUMMARIES:
        metric = Metric(summary.name, summary.help, "summary")
        for snapshot in snapshots:
            values = snapshot.summaries.get(summary.latency)
            unfit = summary.cached is not None and summary.cached != snapshot.statistics["cached"]
            if not values or unfit:
                continue
            total = snapshot.statistics["inference_stats"][summary.stage]
            metric.add_sample(f"{summary.name}_count", snapshot.labels, total["count"])
            metric.add_sample(f"{summary.name}_sum", snapshot.labels, total["ns"] // 1000)
            for quantile, value in zip(quantiles, values, strict=True):
                labels = {**snapshot.labels, "quantile": number_text(quantile)}
                metric.add_sample(summary.name, labels, value)
        yield metric
