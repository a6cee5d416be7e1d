# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How full a model's key-value cache is, for load balancers (ORCA; contract H-36)."""

from __future__ import annotations

import json

from prometheus_client.registry import Collector

FORMATS = ("text", "json")
#: The family that TensorRT-LLM's back end keeps, and its label.
_FAMILY = "nv_trt_llm_kv_cache_block_metrics"
_LABEL = "kv_cache_block_type"


def endpoint_load_metrics(collector: Collector, form: str) -> str | None:
    """The value of the header `endpoint-load-metrics`, None when the metrics are not there.

    `form`: one of FORMATS.
    """
    blocks = {
        sample.labels.get(_LABEL, ""): sample.value
        for family in collector.collect()
        if family.name == _FAMILY
        for sample in family.samples
    }
    if not {"used", "max", "tokens_per"} <= blocks.keys() or blocks["max"] <= 0:
        return None
    metrics = {
        "kv_cache_utilization": blocks["used"] / blocks["max"],
        "max_token_capacity": int(blocks["max"] * blocks["tokens_per"]),
    }
    if form == "json":
        return "JSON " + json.dumps({"named_metrics": metrics}, separators=(",", ":"))
    return "TEXT " + ", ".join(f"named_metrics.{name}={value}" for name, value in metrics.items())
