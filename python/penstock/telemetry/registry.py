# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""All metrics of a server, gathered for one scrape."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from penstock.telemetry.exposition import render


class MetricsRegistry:
    """The collectors of one server. Thread safe."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

    def add(self, collector: Collector) -> None:
        """From now on part of every scrape."""
        self._registry.register(collector)

    def render(self) -> bytes:
        """Prometheus text of everything, read now."""
        return render(self._registry)
