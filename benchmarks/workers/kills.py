# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`kill -9` of a worker process under load, again and again.

Aims: noticed within 100 ms; the model is ready again after the time that loading takes and 500 ms;
only what the process had taken fails (one batch a kill), and nothing of an idempotent model.
"""

from __future__ import annotations

import http.client
import os
import signal
import statistics
import time
from pathlib import Path

from benchmarks.load.client import Load, LoadRun
from benchmarks.load.rounds import Target
from benchmarks.load.workloads import SMALL, http_workload
from benchmarks.report import number

NOTICED_BAR_MS, READY_BAR_MS = 100, 500
#: Enough to wait while no process serves.
_CONNECTIONS = 16
_POLL_S = 0.0005
_PATIENCE_S = 30.0

HEADER = [
    "kill -9 under load",
    "kills",
    "answered",
    "failed",
    "at most",
    "noticed p50, ms",
    "most, ms",
    "ready again p50, ms",
    "most, ms",
    "a load, ms",
    f"met ({NOTICED_BAR_MS}, load + {READY_BAR_MS})",
]


def row(target: Target, model: str, *, kills: int, rate: float, may_fail: int) -> list[str]:
    """`may_fail`: requests a kill."""
    load_ms = _load_ms(target, model)
    workload = http_workload(model, model, SMALL, connections=_CONNECTIONS)
    # Until it is ended: nobody knows how long so many deaths take.
    running = LoadRun(workload, target.http_port, seconds=kills * 1.0, rate=rate)
    noticed, ready = [], []
    for _ in range(kills):
        began = time.monotonic()
        os.kill(_worker(target, model), signal.SIGKILL)
        noticed.append(1000 * (_until(target, model, ready=False) - began))
        ready.append(1000 * (_until(target, model, ready=True) - began))
        # A process that has not answered yet would be started again only after a pause.
        _answered(target, model)
    load: Load = running.outcome()
    bound = may_fail * kills
    met = load.failed <= bound and max(noticed) <= NOTICED_BAR_MS
    met = met and max(ready) <= load_ms + READY_BAR_MS
    return [
        model,
        f"{kills}",
        f"{load.requests:,}",
        f"{load.failed}",
        f"{bound}",
        number(statistics.median(noticed)),
        number(max(noticed)),
        number(statistics.median(ready)),
        number(max(ready)),
        number(load_ms),
        "yes" if met else "**no**",
    ]


def _load_ms(target: Target, model: str) -> float:
    """What a load takes, of the model that is loaded: the median of five."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        for action in ("unload", "load"):
            if action == "load":
                began = time.monotonic()
            status = _ask(target, "POST", f"/v2/repository/models/{model}/{action}")
            if status != 200:
                raise RuntimeError(f"{model}: {action} gave {status}")
        times.append(1000 * (time.monotonic() - began))
    return statistics.median(times)


def _worker(target: Target, model: str) -> int:
    """The process id of the model's one worker."""
    for pid in target.server.pids()[1:]:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if f"PENSTOCK_INSTANCE={model}_0".encode() in environment:
            return pid
    raise RuntimeError(f"no process serves '{model}'")


def _until(target: Target, model: str, *, ready: bool) -> float:
    """When readiness was first seen so."""
    deadline = time.monotonic() + _PATIENCE_S
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=5)
    try:
        while time.monotonic() < deadline:
            connection.request("GET", f"/v2/models/{model}/ready")
            reply = connection.getresponse()
            reply.read()
            if (reply.status == 200) == ready:
                return time.monotonic()
            time.sleep(_POLL_S)
    finally:
        connection.close()
    raise RuntimeError(f"'{model}' never became {'ready' if ready else 'unready'}")


def _answered(target: Target, model: str) -> None:
    http_workload(model, model, SMALL).check(target.http_port)


def _ask(target: Target, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=30)
    connection.request(method, path, b"{}")
    status = connection.getresponse().status
    connection.close()
    return status
