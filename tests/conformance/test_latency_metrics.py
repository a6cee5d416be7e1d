# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Histograms and summaries of latencies (M-12, M-13, M-14, M-17, M-30, X-46) of a live server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from server_process import ServerProcess

_FIRST_RESPONSE = "nv_inference_first_response_histogram_ms"
_BUCKETS = (
    f'model_metrics {{ metric_control {{ metric_identifier {{ family: "{_FIRST_RESPONSE}" }} '
    "histogram_options { buckets: [ 1, 20.5, 1000 ] } } }"
)
_STAGES = ("queue", "compute_input", "compute_infer", "compute_output")
_LATENCY_FAMILIES = (
    _FIRST_RESPONSE,
    "nv_inference_request_summary_us",
    *(f"nv_inference_{stage}_summary_us" for stage in _STAGES),
    "nv_cache_hit_summary_per_model",
    "nv_cache_miss_summary_per_model",
)
_OURS = (
    "penstock_inference_request_duration_seconds",
    "penstock_inference_queue_duration_seconds",
)


def write_model(root: Path, name: str, extra: str = "", delay_ms: int = 0) -> None:
    (root / name / "1").mkdir(parents=True)
    tensor = "data_type: TYPE_FP32 dims: [-1]"
    (root / name / "config.pbtxt").write_text(
        f'name: "{name}" backend: "identity" {extra} input {{ name: "INPUT0" {tensor} }}'
        f'output {{ name: "OUTPUT0" {tensor} }}'
        f'parameters {{ key: "execute_delay_ms" value {{ string_value: "{delay_ms}" }} }}'
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured_models")
    write_model(folder, "plain", delay_ms=30)
    write_model(folder, "buckets", _BUCKETS, delay_ms=30)
    write_model(folder, "cached", "response_cache { enable: true }")
    write_model(folder, "idle")
    return folder


@pytest.fixture(scope="module")
def measuring(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = [
        "--cache-config=local,size=65536",
        "--metrics-config=histogram_latencies=true",
        "--metrics-config=summary_latencies=true",
        "--metrics-config=summary_quantiles=0.5:0.05,0.9:0.01,0.999:0.001",
    ]
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "log", *options) as server:
        yield server


def infer(server: ServerProcess, model: str, value: float) -> None:
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1], "data": [value]}
    reply = server.request("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]})
    assert reply.status == 200, reply.body


def families(server: ServerProcess) -> dict[str, Metric]:
    text = server.request("GET", "/metrics", port=server.metrics_port).body.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(family: Metric, model: str) -> dict[str, float]:
    """Suffix of the sample's name, or the bound or quantile -> value."""
    return {
        sample.labels.get("le")
        or sample.labels.get("quantile")
        or sample.name.removeprefix(family.name): sample.value
        for sample in family.samples
        if sample.labels["model"] == model
    }


def stages(server: ServerProcess, model: str) -> dict[str, dict[str, int]]:
    found = server.request("GET", f"/v2/models/{model}/stats").json["model_stats"][0]
    stats: dict[str, dict[str, int]] = found["inference_stats"]
    return stats


def test_first_responses_of_triton_in_its_buckets(measuring: ServerProcess) -> None:  # M-12
    for _ in range(3):
        infer(measuring, "plain", 1)
    family = families(measuring)[_FIRST_RESPONSE]
    assert family.type == "histogram"
    assert family.documentation == "Duration from request to first response in milliseconds"
    found = samples(family, "plain")
    total = found.pop("_sum")
    assert total >= 90 and total == int(total)
    assert list(found) == ["100", "500", "2000", "5000", "+Inf", "_count"]
    assert found["+Inf"] == found["_count"] == 3


def test_a_model_has_buckets_of_its_own(measuring: ServerProcess) -> None:  # M-12, 2.1
    infer(measuring, "buckets", 1)
    found = samples(families(measuring)[_FIRST_RESPONSE], "buckets")
    assert [found[bound] for bound in ("1", "20.5", "1000", "+Inf")] == [0, 0, 1, 1]


def test_summaries_of_the_last_minute(measuring: ServerProcess) -> None:  # M-13, M-14
    infer(measuring, "plain", 2)
    stats = stages(measuring, "plain")
    found = families(measuring)
    for name, stage in (
        ("nv_inference_request_summary_us", "success"),
        *((f"nv_inference_{stage}_summary_us", stage) for stage in _STAGES),
    ):
        assert found[name].type == "summary"
        values = samples(found[name], "plain")
        assert values.pop("_count") == stats[stage]["count"]
        assert values.pop("_sum") == stats[stage]["ns"] // 1000
        assert list(values) == ["0.5", "0.9", "0.999"]
        assert values["0.5"] <= values["0.9"] <= values["0.999"]
    assert samples(found["nv_inference_compute_infer_summary_us"], "plain")["0.5"] >= 30_000
    assert samples(found["nv_inference_request_summary_us"], "plain")["0.999"] >= 30_000


def test_what_was_never_called_has_no_quantiles(measuring: ServerProcess) -> None:
    """A window in which nothing was observed is NaN, as in Triton."""
    values = samples(families(measuring)["nv_inference_queue_summary_us"], "idle")
    assert values.pop("_count") == values.pop("_sum") == 0
    assert all(math.isnan(value) for value in values.values()) and len(values) == 3


def test_models_with_a_cache(measuring: ServerProcess) -> None:  # M-13, M-17, X-46
    for _ in range(3):
        infer(measuring, "cached", 7)
    found = families(measuring)
    assert samples(found["nv_cache_hit_summary_per_model"], "cached")["_count"] == 2
    assert samples(found["nv_cache_miss_summary_per_model"], "cached")["_count"] == 1
    assert not samples(found["nv_cache_hit_summary_per_model"], "plain")
    assert not samples(found["nv_inference_request_summary_us"], "cached")
    assert samples(found["nv_inference_queue_summary_us"], "cached")["_count"] == 3
    assert samples(found["nv_inference_compute_infer_summary_us"], "cached")["_count"] == 1
    assert samples(found[_FIRST_RESPONSE], "cached")["_count"] == 3


@pytest.mark.parametrize("counters", ["true", "false"])
def test_what_a_server_has_that_is_asked_for_nothing(
    root: Path, tmp_path: Path, counters: str
) -> None:
    """Our histograms; none of Triton's; with counter_latencies=false not even counts (M-30)."""
    option = f"--metrics-config=counter_latencies={counters}"
    with ServerProcess(root, tmp_path / "log", option) as server:
        for _ in range(3):
            infer(server, "plain", 1)
        found = families(server)
        scrape = server.metrics()
        stats = stages(server, "plain")
    assert not set(_LATENCY_FAMILIES) & set(found)
    for name, stage in zip(_OURS, ("success", "queue"), strict=True):
        assert found[name].type == "histogram"
        values = samples(found[name], "plain")
        assert values.pop("_sum") == pytest.approx(stats[stage]["ns"] / 1e9)
        assert values.pop("_count") == values["+Inf"] == 3
        counted = list(values.values())
        assert counted == sorted(counted), "cumulative"
        bounds = [float(bound) for bound in values]
        assert bounds == sorted(bounds)
        assert (bounds[0], bounds[-2]) == (1e-5, 50)
    assert samples(found[_OURS[0]], "plain")["0.025"] == 0
    assert samples(found[_OURS[0]], "idle")["_count"] == 0
    on = counters == "true"
    labels = '{model="plain",version="1"}'
    for name in ("request_success", "count", "exec_count"):
        assert scrape[f"nv_inference_{name}{labels}"] == (3 if on else 0)
    assert (f"nv_inference_request_duration_us{labels}" in scrape) == on
    assert (f"nv_inference_queue_duration_us{labels}" in scrape) == on
    assert stats["success"]["count"] == 3
