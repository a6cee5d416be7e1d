# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# What a model version has counted, as plain data.
from libcpp.vector cimport vector

from engine cimport BatchStat, CModelVersion, DurationStat, ModelStatistics, ResponseStat
from shim cimport duration_bounds, failures_of, queue_counts, success_counts, summary_of

FAILURE_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")

# In the order of Latency.
LATENCIES = (
    "request",
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
)

DURATION_BOUNDS_NS = tuple(duration_bounds())


cdef dict duration(const DurationStat& stat):
    return {"count": stat.count, "ns": stat.ns}


cdef dict batch_row(const BatchStat& row):
    return {
        "batch_size": row.batch_size,
        "compute_input": duration(row.compute_input),
        "compute_infer": duration(row.compute_infer),
        "compute_output": duration(row.compute_output),
    }


cdef dict response_row(const ResponseStat& row):
    return {
        "compute_infer": duration(row.compute_infer),
        "compute_output": duration(row.compute_output),
        "success": duration(row.success),
        "fail": duration(row.fail),
        "empty_response": duration(row.empty_response),
        "cancel": duration(row.cancel),
    }


cdef dict statistics_dict(const ModelStatistics& s):
    return {
        "last_inference": s.last_inference_ms,
        "inference_count": s.inference_count,
        "execution_count": s.execution_count,
        "inference_stats": {
            "success": duration(s.success),
            "fail": duration(s.fail),
            "queue": duration(s.queue),
            "compute_input": duration(s.compute_input),
            "compute_infer": duration(s.compute_infer),
            "compute_output": duration(s.compute_output),
            "cache_hit": duration(s.cache_hit),
            "cache_miss": duration(s.cache_miss),
        },
        "batch_stats": [batch_row(s.batches[i]) for i in range(s.batches.size())],
        "response_stats": {
            str(i): response_row(s.responses[i]) for i in range(s.responses.size())
        },
        "failures": {name: failures_of(s, i) for i, name in enumerate(FAILURE_REASONS)},
        "success_counts": list(success_counts(s)),
        "queue_counts": list(queue_counts(s)),
        "first_response": {
            "count": s.first_response.count,
            "ms": s.first_response.ms,
            "counts": list(s.first_response.counts),
        },
        "pending": s.pending,
        "in_flight": s.in_flight,
        "late": s.late,
        "cached": s.cached,
    }


cdef dict summaries_dict(const CModelVersion& model, const vector[double]& quantiles):
    return {name: list(summary_of(model, i, quantiles)) for i, name in enumerate(LATENCIES)}
