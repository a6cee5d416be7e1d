# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Metric families of contract 6: names, labels, units, and who has a child when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from penstock.telemetry.cpu import CpuCollector
from penstock.telemetry.metrics import ModelCollector, ModelSnapshot, PinnedPoolCollector
from penstock.telemetry.registry import MetricsRegistry
from prometheus_client.parser import text_string_to_metric_families


def statistics(**changes: Any) -> dict[str, Any]:
    stages = (
        "success",
        "fail",
        "queue",
        "compute_input",
        "compute_infer",
        "compute_output",
        "cache_hit",
        "cache_miss",
    )
    values: dict[str, Any] = {
        "inference_count": 6,
        "execution_count": 2,
        "inference_stats": {
            stage: {"count": 3, "ns": 1000 * (index + 1) + 999}
            for index, stage in enumerate(stages)
        },
        "failures": {"REJECTED": 1, "CANCELED": 0, "BACKEND": 2, "OTHER": 0},
        "pending": 4,
        "late": 9,
        "cached": True,
    }
    return values | changes


def render(*snapshots: ModelSnapshot) -> str:
    registry = MetricsRegistry()
    registry.add(ModelCollector(lambda: snapshots))
    return registry.render().decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The parser gives counters the suffix of OpenMetrics, which the text has not."""
    assert "_total" not in text.replace("_total_bytes", "")
    return {
        (sample.name.removesuffix("_total"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


LABELS = (("model", "m"), ("version", "1"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nv_inference_request_success", 3),  # M-1
        ("nv_inference_count", 6),  # M-3
        ("nv_inference_exec_count", 2),  # M-4
        ("nv_inference_request_duration_us", 1),  # M-5; ns / 1000 truncated (M-31)
        ("nv_inference_queue_duration_us", 3),  # M-6
        ("nv_inference_compute_input_duration_us", 4),  # M-7
        ("nv_inference_compute_infer_duration_us", 5),  # M-8
        ("nv_inference_compute_output_duration_us", 6),  # M-9
        ("nv_inference_pending_request_count", 4),  # M-10
        ("nv_model_load_duration_secs", 0.5),  # M-11
        ("penstock_inference_deadline_refusals", 9),
        ("nv_cache_num_hits_per_model", 3),  # M-15
        ("nv_cache_num_misses_per_model", 3),
        ("nv_cache_hit_duration_per_model", 7),  # M-16
        ("nv_cache_miss_duration_per_model", 8),
    ],
)
def test_each_family_has_its_value(name: str, value: float) -> None:
    text = render(ModelSnapshot("m", "1", statistics(), load_seconds=0.5))
    assert samples(text)[name, LABELS] == value


def test_models_without_a_cache_have_no_cache_metrics() -> None:
    """M-15, M-16."""
    found = samples(render(ModelSnapshot("m", "1", statistics(cached=False))))
    assert not [name for name, _ in found if name.startswith("nv_cache")]


def test_all_failure_reasons_exist_from_load() -> None:
    """M-2."""
    found = samples(render(ModelSnapshot("m", "1", statistics(failures={"BACKEND": 2}))))
    values = {
        dict(labels)["reason"]: value
        for (name, labels), value in found.items()
        if name == "nv_inference_request_failure"
    }
    assert values == {"REJECTED": 0, "CANCELED": 0, "BACKEND": 2, "OTHER": 0}


@pytest.mark.parametrize(
    ("name", "kind", "documentation"),
    [
        (
            "nv_inference_request_success",
            "counter",
            "Number of successful inference requests, all batch sizes",
        ),
        (
            "nv_inference_request_failure",
            "counter",
            "Number of failed inference requests, all batch sizes",
        ),
        (
            "nv_inference_count",
            "counter",
            "Number of inferences performed (does not include cached requests)",
        ),
        (
            "nv_inference_exec_count",
            "counter",
            "Number of model executions performed (does not include cached requests)",
        ),
        (
            "nv_inference_pending_request_count",
            "gauge",
            "Instantaneous number of pending requests awaiting execution per-model.",
        ),
    ],
)
def test_help_and_type_lines(name: str, kind: str, documentation: str) -> None:
    """M-34; counters keep their name, without the suffix of OpenMetrics."""
    lines = render(ModelSnapshot("m", "1", statistics())).splitlines()
    assert f"# HELP {name} {documentation}" in lines
    assert f"# TYPE {name} {kind}" in lines


def test_no_child_without_a_model_and_none_of_an_unloaded_one() -> None:
    loaded = [ModelSnapshot("m", "1", statistics()), ModelSnapshot("m", "2", statistics())]
    registry = MetricsRegistry()
    registry.add(ModelCollector(lambda: loaded))
    assert len([key for key in samples(registry.render().decode()) if key[0].endswith("_us")]) == 10
    loaded.pop()
    assert not any(("version", "2") in labels for _, labels in samples(registry.render().decode()))
    loaded.clear()
    assert registry.render() == b""  # HELP and TYPE lines appear once a child exists


def test_metric_tags_become_labels_and_are_escaped() -> None:
    snapshot = ModelSnapshot("m", "1", statistics(), tags={"team": 'a"b\\c\nd'})
    text = render(snapshot)
    assert r'_team="a\"b\\c\nd"' in text
    found = samples(text)
    assert found["nv_inference_count", (("_team", 'a"b\\c\nd'), *LABELS)] == 6


def test_histograms_of_any_labels() -> None:
    """Their lines come from one form, in which the labels are no form themselves."""
    tags = {"team": '50%s \0 {0} "%%'}
    counted = statistics(success_counts=[1, 0, 2], queue_counts=[0, 3, 0])
    snapshot = ModelSnapshot("m", "1", counted, tags=tags)
    other = ModelSnapshot("n", "1", statistics(success_counts=[0] * 3, queue_counts=[0] * 3))
    registry = MetricsRegistry()
    bounds = (10_000, 2_000_000_000)
    registry.add(ModelCollector(lambda: (snapshot, other), duration_bounds_ns=bounds))
    found = samples(registry.render().decode())
    name, labels = "penstock_inference_request_duration_seconds", (("_team", tags["team"]), *LABELS)
    for bound, amount in (("1e-05", 1), ("2", 1), ("+Inf", 3)):
        assert found[f"{name}_bucket", tuple(sorted((*labels, ("le", bound))))] == amount
    assert found[f"{name}_count", labels] == 3
    assert found[f"{name}_sum", labels] == 1999 / 1e9
    assert found[f"{name}_count", (("model", "n"), ("version", "1"))] == 0


def test_a_model_without_load_time_has_no_load_gauge() -> None:
    assert "nv_model_load_duration_secs" not in render(ModelSnapshot("m", "1", statistics()))


def test_pinned_pool_gauges() -> None:
    """M-18."""
    registry = MetricsRegistry()
    registry.add(PinnedPoolCollector(256, lambda: 64))
    found = samples(registry.render().decode())
    assert found["nv_pinned_memory_pool_total_bytes", ()] == 256
    assert found["nv_pinned_memory_pool_used_bytes", ()] == 64


def test_cpu_gauges(tmp_path: Path) -> None:
    """M-19: utilisation is that since the reading before, at least an interval ago."""
    now = 0.0
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 0 900 0 0 0 0 50 0\n")
    (tmp_path / "meminfo").write_text(
        "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n"
    )
    registry = MetricsRegistry()
    registry.add(CpuCollector(proc=tmp_path, interval_s=1.0, clock=lambda: now))

    def read() -> dict[str, float]:
        return {name: value for (name, _), value in samples(registry.render().decode()).items()}

    assert read() == {
        "nv_cpu_utilization": 0.0,
        "nv_cpu_memory_total_bytes": 1000 * 1024,
        "nv_cpu_memory_used_bytes": 400 * 1024,
    }
    stat.write_text("cpu  130 0 0 970 0 0 0 0 50 0\n")
    now = 0.5
    assert read()["nv_cpu_utilization"] == 0.0
    now = 1.0
    assert read()["nv_cpu_utilization"] == pytest.approx(0.3)
