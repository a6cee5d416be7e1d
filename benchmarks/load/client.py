# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The load client: h2load (nghttp2), which speaks HTTP/1.1 and HTTP/2 in a closed loop."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.workloads import Workload
from benchmarks.processes import CLIENT_CORE, WORK, on_core

_INSTALL = "h2load is missing: sudo apt-get install nghttp2-client"


@dataclass(frozen=True)
class Load:
    """What the client saw of one run."""

    requests: int
    rate: float
    p50_us: float
    p99_us: float


class LoadRun:
    """A client at work, from its construction to `result()`."""

    def __init__(
        self, workload: Workload, port: int, *, seconds: float = 0.0, requests: int = 0
    ) -> None:
        """Sends for `seconds`, or exactly `requests` requests."""
        if shutil.which("h2load") is None:
            raise RuntimeError(_INSTALL)
        self._workload = workload
        self._log = WORK / f"load-{port}.log"
        self._log.unlink(missing_ok=True)
        command = _command(workload, port, self._log)
        if seconds:
            command.insert(1, f"--duration={int(seconds * 1000)}ms")
        else:
            command.insert(1, f"--requests={requests}")
        self._process = subprocess.Popen(
            on_core(CLIENT_CORE, command), stdout=subprocess.PIPE, text=True
        )

    def result(self) -> Load:
        """Waits for the end. Raises RuntimeError when a request failed."""
        output, _ = self._process.communicate()
        totals = re.search(
            r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout",
            output,
        )
        finished = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", output)
        codes = re.search(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
        if self._process.returncode != 0 or not totals or not finished or not codes:
            raise RuntimeError(f"{self._workload.name}: h2load failed:\n{output[-1000:]}")
        done, succeeded, *bad = map(int, (*totals.groups(), *codes.groups()))
        if succeeded != done or any(bad) or done == 0:
            raise RuntimeError(f"{self._workload.name}: requests failed:\n{output[-1000:]}")
        times = _latencies_us(self._log)
        return Load(done, float(finished.group(1)), _at(times, 0.5), _at(times, 0.99))


def _command(workload: Workload, port: int, log: Path) -> list[str]:
    body = WORK / f"body-{re.sub(r'[^a-z0-9]+', '-', workload.name.lower())}"
    body.write_bytes(workload.body)
    command = [
        "h2load",
        f"--clients={workload.connections}",
        f"--max-concurrent-streams={workload.streams}",
        "--threads=1",
        f"--data={body}",
        f"--log-file={log}",
    ]
    if workload.protocol == "http":
        command.append("--h1")
    command += [f"--header={name.lower()}: {value}" for name, value in workload.headers]
    return [*command, f"http://127.0.0.1:{port}{workload.path}"]


def _latencies_us(log: Path) -> list[int]:
    """Sorted; h2load's lines are start, status and duration, both times in microseconds."""
    return sorted(int(line.rsplit("\t", 1)[1]) for line in log.read_text().splitlines())


def _at(ordered: list[int], quantile: float) -> float:
    return float(ordered[min(int(len(ordered) * quantile), len(ordered) - 1)]) if ordered else 0.0
