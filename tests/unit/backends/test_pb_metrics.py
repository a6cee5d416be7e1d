# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Custom metrics of models (contract 5.1, 5.8, M-22)."""

from __future__ import annotations

import gc

import pytest
from penstock.backends.python.pb_utils import MetricFamily, TritonModelException
from penstock.backends.python.pb_utils.metrics import custom_metrics
from penstock.telemetry.exposition import render


def exposed(name: str) -> list[str]:
    return [line for line in render(custom_metrics).decode().splitlines() if name in line]


def test_counter() -> None:
    family = MetricFamily("test_requests", "Requests seen", MetricFamily.COUNTER)
    metric = family.Metric(labels={"model": "m", "version": "1"})
    metric.increment(2)
    metric.increment(0.5)
    assert metric.value() == 2.5
    assert exposed("test_requests") == [
        "# HELP test_requests Requests seen",
        "# TYPE test_requests counter",
        'test_requests{model="m",version="1"} 2.5',
    ]


@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_counter_only_grows(value: float) -> None:
    metric = MetricFamily("test_growing", "d", MetricFamily.COUNTER).Metric()
    with pytest.raises(TritonModelException) as caught:
        metric.increment(value)
    assert str(caught.value) == (
        "TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically by non-negative "
        "values."
    )
    assert metric.value() == 0


def test_gauge() -> None:
    metric = MetricFamily("test_level", "d", MetricFamily.GAUGE).Metric()
    metric.set(3)
    metric.increment(-5)
    assert metric.value() == -2
    assert exposed("test_level")[-1] == "test_level -2"


def test_histogram() -> None:
    family = MetricFamily("test_seconds", "d", MetricFamily.HISTOGRAM)
    metric = family.Metric(labels={"a": "b"}, buckets=[0.1, 1])
    for value in (0.1, 0.5, 7):
        metric.observe(value)
    assert exposed("test_seconds")[2:] == [
        'test_seconds_bucket{a="b",le="0.1"} 1',
        'test_seconds_bucket{a="b",le="1.0"} 2',
        'test_seconds_bucket{a="b",le="+Inf"} 3',
        'test_seconds_count{a="b"} 3',
        'test_seconds_sum{a="b"} 7.6',
    ]


@pytest.mark.parametrize(
    ("kind", "call", "text"),
    [
        ("COUNTER", "set", "TRITONSERVER_METRIC_KIND_COUNTER does not support Set"),
        ("COUNTER", "observe", "TRITONSERVER_METRIC_KIND_COUNTER does not support Observe"),
        ("GAUGE", "observe", "TRITONSERVER_METRIC_KIND_GAUGE does not support Observe"),
        ("HISTOGRAM", "increment", "TRITONSERVER_METRIC_KIND_HISTOGRAM does not support Increment"),
        ("HISTOGRAM", "set", "TRITONSERVER_METRIC_KIND_HISTOGRAM does not support Set"),
        ("HISTOGRAM", "value", "TRITONSERVER_METRIC_KIND_HISTOGRAM does not support Value"),
    ],
)
def test_what_a_kind_has_not(kind: str, call: str, text: str) -> None:
    family = MetricFamily(f"test_{kind}_{call}", "d", getattr(MetricFamily, kind))
    metric = family.Metric(buckets=[1] if kind == "HISTOGRAM" else None)
    with pytest.raises(TritonModelException) as caught:
        getattr(metric, call)(*([] if call == "value" else [1]))
    assert str(caught.value) == text


def test_instances_count_together() -> None:
    metrics = [
        MetricFamily("test_shared", "d", MetricFamily.COUNTER).Metric({"m": "x"}) for _ in range(3)
    ]
    for metric in metrics:
        metric.increment(1)
    assert exposed("test_shared")[2:] == ['test_shared{m="x"} 3']


def test_a_metric_goes_with_its_model() -> None:
    metric = MetricFamily("test_gone", "d", MetricFamily.GAUGE).Metric()
    assert exposed("test_gone")
    del metric
    gc.collect()
    assert not exposed("test_gone")


def test_wrong_arguments() -> None:
    with pytest.raises(TritonModelException, match="invalid metric family name 'a-b'"):
        MetricFamily("a-b", "d", MetricFamily.COUNTER)
    family = MetricFamily("test_arguments", "d", MetricFamily.COUNTER)
    with pytest.raises(TritonModelException, match="exists with kind COUNTER"):
        MetricFamily("test_arguments", "d", MetricFamily.GAUGE)
    with pytest.raises(TritonModelException, match="invalid metric label name 'a-b'"):
        family.Metric({"a-b": "c"})
    with pytest.raises(TritonModelException, match="label 'a' must be a str"):
        family.Metric({"a": 1})  # type: ignore[dict-item]
    with pytest.raises(TritonModelException, match="only supported for histograms"):
        family.Metric(buckets=[1])
    histogram = MetricFamily("test_buckets", "d", MetricFamily.HISTOGRAM)
    with pytest.raises(TritonModelException, match="require buckets"):
        histogram.Metric()
    with pytest.raises(TritonModelException, match="ascending order"):
        histogram.Metric(buckets=[2, 1])
