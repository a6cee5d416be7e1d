# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Resident memory of the server for each connection that is open, has been used, and is idle.

Aim: at most 16 KiB, over HTTP and over gRPC.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.load.client import LoadRun
from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.workloads import SMALL, Workload, grpc_workload, http_workload
from benchmarks.report import table
from benchmarks.rivals.bench import MODELS

BAR_KIB = 16
_WARM_UP = 20_000
#: Requests of each connection, one after the other around all of them, so many a second.
_ROUNDS = 3
_RATE = 4_000.0

_WORKLOADS = (
    http_workload("HTTP", "identity", SMALL),
    grpc_workload("gRPC", "identity", SMALL),
)


def run(*, connections: int) -> str:
    """The table, as Markdown."""
    rows = []
    for workload in _WORKLOADS:
        warm, idle = _resident_bytes(workload, connections)
        each = (idle - warm) / connections / 1024
        met = "yes" if each <= BAR_KIB else "**no**"
        rows.append([f"{workload.name}, {connections:,} connections"])
        rows[-1] += [f"{warm / 2**20:.1f}", f"{idle / 2**20:.1f}", f"{each:.2f}"]
        rows[-1] += [f"{BAR_KIB}", met]
    header = ["resident memory", "warm, MiB", "with idle connections, MiB", "KiB each"]
    return table([*header, "bar", "met"], rows)


def _resident_bytes(workload: Workload, connections: int) -> tuple[int, int]:
    """Of a server that has answered on 16 connections, and that has so many idle ones as well."""
    target = start_penstock(MODELS, name="connections")
    with target.server:
        port = target.port(workload)
        LoadRun(workload, port, requests=_WARM_UP).result()
        warm = target.server.rss_bytes()
        many = replace(workload, connections=connections, streams=1)
        run = LoadRun(many, port, requests=connections * _ROUNDS, rate=_RATE, hold=True)
        try:
            run.result()
            return warm, target.server.rss_bytes()
        finally:
            run.end()
