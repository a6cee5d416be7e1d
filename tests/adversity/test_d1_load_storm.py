# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""D1: one model is loaded and unloaded without end while another one answers."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from changing_models import answers, index, load, rss_bytes, serve_folder, unload, write_identity
from model_traffic import ModelTraffic
from sizes import FULL, report, size

CLIENTS = 4
BYTES_PER_CYCLE = 64 << 10


def test_d1_load_storm_beside_traffic(tmp_path: Path) -> None:
    root = tmp_path / "models"
    for name in ("steady", "stormy"):
        write_identity(root, name, 1)
    options = ("--model-control-mode=explicit", "--load-model=steady")
    with serve_folder(root, tmp_path / "log", *options) as server:
        cycles = size(30, 500)

        def storm(seed: int) -> Counter[int]:
            statuses: Counter[int] = Counter()
            for _ in range(cycles):
                statuses[load(server, "stormy").status] += 1
                statuses[unload(server, "stormy").status] += 1
            return statuses

        with ModelTraffic(server, "steady") as traffic:
            traffic.wait_for(size(500, 10_000))
            alone_ms = traffic.p99_ms()
            storm(0)  # what is made once is there from now on
            before, tasks = rss_bytes(server), len(os.listdir(f"/proc/{server.running.pid}/task"))
            began = time.monotonic()
            with ThreadPoolExecutor(CLIENTS) as threads:
                statuses = sum(threads.map(storm, range(CLIENTS)), Counter[int]())
            during_ms = traffic.p99_ms(began, time.monotonic())
            traffic.wait_for(size(0, 40_000))
        assert traffic.failures == []
        assert statuses == {200: 2 * CLIENTS * cycles}
        report(f"D1: p99 {during_ms:.2f} ms during, {alone_ms:.2f} ms alone")
        if FULL:
            assert during_ms <= 2 * alone_ms
        load(server, "stormy")
        assert index(server, "stormy") == [("1", "READY", "")]
        assert answers(server, "stormy") == "1"
        unload(server, "stormy")
        grown = rss_bytes(server) - before
        assert grown <= max(16 << 20, BYTES_PER_CYCLE * CLIENTS * cycles), f"{grown >> 20} MiB"
        assert len(os.listdir(f"/proc/{server.running.pid}/task")) <= tasks + 8
        assert list(server.temporary.glob("penstock-model-*")) == []
