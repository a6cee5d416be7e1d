# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is measured beside Triton, and the bars: which share of Triton's cost ours may be."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load.workloads import IMAGE, SMALL, Workload, grpc_workload, http_workload

#: Models of models/: the first is native; the unbatched ones have the default scheduler.
NATIVE, BATCHED, UNBATCHED = "identity", "python_identity", "python_identity_unbatched"
#: The same in a worker process, as Triton's are anyway.
WORKER, WORKER_UNBATCHED = "python_worker", "python_worker_unbatched"


@dataclass(frozen=True)
class RivalRow:
    """Measured on all servers; `bar`: the most that ours over Triton's may be."""

    workload: Workload
    bar: float


@dataclass(frozen=True)
class LatencyRow:
    """The same, where the bar is on the p50 of one connection.

    `beyond_echo_us`: an aim, what ours may take beyond an echo on bare sockets.
    """

    workload: Workload
    bar: float
    beyond_echo_us: float


@dataclass(frozen=True)
class OwnRow:
    """Without a rival: the aim is in microseconds of CPU a request."""

    workload: Workload
    aim_us: float


COST_ROWS = (
    RivalRow(http_workload("identity, HTTP binary, 16 connections", NATIVE, SMALL), 0.25),
    RivalRow(
        http_workload("identity, HTTP binary, 64 connections", NATIVE, SMALL, connections=64), 0.25
    ),
    RivalRow(http_workload("identity, HTTP JSON, 16", NATIVE, SMALL, binary=False), 0.35),
    RivalRow(grpc_workload("identity, gRPC, 4 connections x 4", NATIVE, SMALL), 0.20),
    RivalRow(
        grpc_workload("identity, gRPC, 16 x 1", NATIVE, SMALL, connections=16, streams=1), 0.30
    ),
    RivalRow(http_workload("identity, HTTP 600 KB, 4", NATIVE, IMAGE, connections=4), 0.30),
    RivalRow(grpc_workload("identity, gRPC 600 KB, 4 x 1", NATIVE, IMAGE, streams=1), 0.50),
    RivalRow(http_workload("Python model, HTTP binary, 16", UNBATCHED, SMALL), 0.15),
    RivalRow(grpc_workload("Python model, gRPC, 4 x 4", UNBATCHED, SMALL), 0.10),
    RivalRow(http_workload("Python model, dynamic batching, HTTP, 16", BATCHED, SMALL), 0.15),
    RivalRow(grpc_workload("Python model, dynamic batching, gRPC, 4 x 4", BATCHED, SMALL), 0.10),
    RivalRow(http_workload("Python worker, HTTP binary, 16", WORKER_UNBATCHED, SMALL), 0.30),
    RivalRow(grpc_workload("Python worker, gRPC, 4 x 4", WORKER_UNBATCHED, SMALL), 0.30),
    RivalRow(http_workload("Python worker, dynamic batching, HTTP, 16", WORKER, SMALL), 0.30),
    RivalRow(
        http_workload("Python worker, HTTP 600 KB, 4", WORKER_UNBATCHED, IMAGE, connections=4), 0.35
    ),
)

LATENCY_ROWS = (
    LatencyRow(http_workload("identity, HTTP binary", NATIVE, SMALL, connections=1), 0.95, 15),
    LatencyRow(
        http_workload("Python model, HTTP binary", UNBATCHED, SMALL, connections=1), 0.60, 20
    ),
    LatencyRow(
        http_workload("Python worker, HTTP binary", WORKER_UNBATCHED, SMALL, connections=1),
        0.75,
        40,
    ),
)

#: Of onnx_models.py; the package of Triton that is measured has no ONNX back end.
ONNX_ROWS = (
    OwnRow(http_workload("ONNX, dynamic batching, HTTP, 16", "mlp", SMALL, echo=False), 9),
    OwnRow(
        http_workload("ONNX, max_batch_size 1, HTTP, 16", "mlp_unbatched", SMALL, echo=False), 12
    ),
)
