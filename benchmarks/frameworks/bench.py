# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Frameworks behind the server: a request's cost beyond the framework's own call, the throughput of
dynamic batching beside that of a bare loop, and several frameworks at once."""

from __future__ import annotations

from benchmarks.frameworks import overhead, throughput, together


def run(*, rounds: int, seconds: float) -> str:
    """All three, as Markdown. Raises RuntimeError when no framework is installed."""
    parts = [
        overhead.run(rounds=rounds, seconds=seconds),
        throughput.run(rounds=rounds, seconds=2 * seconds),
        together.run(rounds=rounds, seconds=2 * seconds),
    ]
    return "\n\n".join(parts)
