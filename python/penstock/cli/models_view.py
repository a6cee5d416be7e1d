# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What `penstock models` shows. Pure: from the server's answers to text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.cli.table import format_table

_HEADER = ("Model", "Version", "State", "Requests", "Failed", "Req/s", "Mean ms", "Load s", "Notes")

Statistics = Sequence[Mapping[str, Any]]


def models_table(
    index: Sequence[Mapping[str, Any]],
    statistics: Statistics,
    before: Statistics = (),
    elapsed_s: float = 0.0,
) -> str:
    """One line for each version; rates are of the time since the statistics `before`."""
    now, then = _by_version(statistics), _by_version(before)
    rows = []
    for entry in index:
        key = (entry["name"], entry.get("version", ""))
        numbers = _numbers(now.get(key), then.get(key), elapsed_s)
        rows.append((*_state(entry), *numbers, *_load(entry)))
    return format_table(_HEADER, rows)


def load_line(load: Mapping[str, Any]) -> str:
    """`: fetch 40 % of 98 MB (fetch 1.20 s, load 0.30 s)`: where a load is, and was."""
    if not load:
        return ""
    stages = load["stages"].items()
    parts = [f"{name} {seconds:.2f} s" for name, seconds in stages if seconds >= 0.005]
    text = f": {load['stage']}" if load["stage"] else ""
    if load["stage"] == "fetch" and load["total_bytes"]:
        share = 100 * load["fetched_bytes"] / load["total_bytes"]
        text += f" {share:.0f} % of {load['total_bytes'] / 1e6:.1f} MB"
    return text + (f" ({', '.join(parts)})" if parts else "")


def _by_version(statistics: Statistics) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(one["name"], one["version"]): one for one in statistics}


def _state(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    name = entry["name"]
    if "namespace" in entry:
        name = f"{entry['namespace']}::{name}"
    return name, entry.get("version", "-"), entry.get("state", "not loaded")


def _numbers(
    now: Mapping[str, Any] | None, then: Mapping[str, Any] | None, elapsed_s: float
) -> tuple[str, str, str, str]:
    if now is None:
        return "", "", "", ""
    failed = now["inference_stats"]["fail"].get("count", 0)
    count, ns = _success(now)
    old_count, old_ns = _success(then) if then is not None else (0, 0)
    rate = f"{(count - old_count) / elapsed_s:.1f}" if then is not None and elapsed_s > 0 else ""
    since = count - old_count
    mean = f"{(ns - old_ns) / since / 1e6:.3f}" if since > 0 else ""
    return str(count), str(failed), rate, mean


def _success(statistics: Mapping[str, Any]) -> tuple[int, int]:
    success = statistics["inference_stats"]["success"]
    return int(success.get("count", 0)), int(success.get("ns", 0))


def _load(entry: Mapping[str, Any]) -> tuple[str, str]:
    load = entry.get("load", {})
    notes = [entry.get("reason", ""), load_line(load).removeprefix(": ")]
    return f"{load['seconds']:.2f}" if load else "", "; ".join(note for note in notes if note)
