# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The tables beside Triton, with each row's bar and whether it is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.load.rounds import Sample
from benchmarks.report import number, table
from benchmarks.rivals.rows import LatencyRow, OwnRow, RivalRow

#: The servers' names, as the tables' heads have them.
OURS, PYTHON, TRITON, BARE = "Penstock", "Penstock, Python frontends", "Triton", "bare echo"
SOCKET = "socket echo"

#: Row -> server -> medians.
Results = Mapping[str, Mapping[str, Sample]]


def cost(results: Results, rows: Sequence[RivalRow]) -> str:
    """CPU a request."""
    servers = list(next(iter(results.values())))
    lines = []
    for row in rows:
        spent = {name: s.cpu_us for name, s in results[row.workload.name].items()}
        line = [row.workload.name, *(number(spent[server]) for server in servers)]
        if TRITON in servers:
            line += _against(spent[OURS] / spent[TRITON], row.bar)
        beyond = spent.get(PYTHON, spent[OURS]) - spent[BARE]
        lines.append([*line, f"{beyond:+.0f}"])
    header = ["server CPU, us a request", *servers, *_bar_columns(servers)]
    return table([*header, "Python frontends - bare"], lines)


def schedulers(results: Results, rows: Sequence[RivalRow]) -> str:
    """CPU a request, or a response where a request has several."""
    servers = list(next(iter(results.values())))
    lines = []
    for row in rows:
        replies = row.workload.replies
        spent = {name: s.cpu_us / replies for name, s in results[row.workload.name].items()}
        line = [row.workload.name, *(number(spent[server]) for server in servers)]
        if TRITON in servers:
            line += _against(spent[OURS] / spent[TRITON], row.bar)
        lines.append(line)
    return table(["server CPU, us a request", *servers, *_bar_columns(servers)], lines)


def latency(results: Results, rows: Sequence[LatencyRow]) -> str:
    """p50 of one connection, one request at a time."""
    servers = list(next(iter(results.values())))
    lines = []
    for row in rows:
        p50 = {name: s.p50_us for name, s in results[row.workload.name].items()}
        line = [row.workload.name, *(number(p50[server]) for server in servers)]
        if TRITON in servers:
            line += _against(p50[OURS] / p50[TRITON], row.bar)
        beyond = p50[OURS] - p50[SOCKET]
        lines.append([*line, f"{beyond:+.0f}", f"{row.beyond_echo_us:+.0f}"])
        lines[-1].append(_met(beyond <= row.beyond_echo_us))
    header = ["p50 at one connection, us", *servers, *_bar_columns(servers)]
    return table([*header, f"{OURS} - {SOCKET}", "aim", "met"], lines)


def own(results: Results, rows: Sequence[OwnRow]) -> str:
    """CPU a request of what Triton cannot run here."""
    servers = list(next(iter(results.values())))
    lines = []
    for row in rows:
        spent = {name: s.cpu_us for name, s in results[row.workload.name].items()}
        met = _met(spent[OURS] <= row.aim_us)
        costs = [number(spent[server]) for server in servers]
        lines.append([row.workload.name, *costs, f"{row.aim_us:g}", met])
    return table(["server CPU, us a request (no rival)", *servers, "aim", "met"], lines)


def speed(results: Results, servers: Sequence[str]) -> str:
    """Requests a second of one core, and the latencies that go with them."""
    lines = []
    for name, by_server in results.items():
        line = [name]
        for server in servers:
            sample = by_server.get(server)
            line.append("" if sample is None else _speed(sample))
        lines.append(line)
    return table(["requests/s (p50, p99 in ms), one server core", *servers], lines)


def _speed(sample: Sample) -> str:
    return f"{number(sample.rate)} ({sample.p50_us / 1000:.2f}, {sample.p99_us / 1000:.2f})"


def _bar_columns(servers: Sequence[str]) -> list[str]:
    return [f"{OURS} / {TRITON}", "bar", "met"] if TRITON in servers else []


def _against(ratio: float, bar: float) -> list[str]:
    return [f"{ratio:.2f}", f"{bar:.2f}", _met(ratio <= bar)]


def _met(met: bool) -> str:
    return "yes" if met else "**no**"
