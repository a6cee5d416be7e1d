# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The load client: penstock_load, which is built from this folder's C++."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.workloads import Workload
from benchmarks.processes import CLIENT_CORE, WORK, on_cores
from benchmarks.programs import program


@dataclass(frozen=True)
class Load:
    """What the client saw of one run."""

    requests: int
    rate: float
    p50_us: float
    p99_us: float
    client_cpu_us: float
    failed: int = 0
    unsent: int = 0  # for want of a free connection, at a given rate
    refused: int = 0  # of those that failed: with a status
    refused_p99_us: float = 0.0


class LoadRun:
    """A client at work, from its construction to `result()`."""

    def __init__(
        self,
        workload: Workload,
        port: int,
        *,
        seconds: float = 0.0,
        requests: int = 0,
        rate: float = 0.0,
        arrivals: str = "constant",
        expected: bytes | None = None,
        hold: bool = False,
        threads: int = 1,
        cores: Sequence[int] = (CLIENT_CORE,),
    ) -> None:
        """Sends for `seconds`, or exactly `requests` requests: as fast as they are answered, or
        `rate` a second (`arrivals`: constant or poisson). An answer that is not `expected` is a
        failure. With `hold` the connections stay, idle, after `result()` until `end()`.
        """
        command = [str(program("load/penstock_load")), *_arguments(workload, port)]
        command.append(f"--duration={seconds}" if seconds else f"--requests={requests}")
        command.append(f"--threads={threads}")
        if rate:
            command += [f"--rate={rate}", f"--arrivals={arrivals}"]
        if expected is not None:
            command.append(f"--expect-file={_file(f'expected-{port}', expected)}")
        if hold:
            command.append("--hold")
        self._workload = workload
        self._hold = hold
        self._process = subprocess.Popen(
            on_cores(cores, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self) -> Load:
        """Waits for the last answer. Raises RuntimeError when a request failed."""
        return self._report(may_fail=False)

    def outcome(self) -> Load:
        """As result(), but failures and what the client could not send in time are counted.

        Raises RuntimeError when nothing was answered.
        """
        return self._report(may_fail=True)

    def _report(self, *, may_fail: bool) -> Load:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        problem = "" if self._hold and line else self.end()
        if not line:
            raise RuntimeError(f"{self._workload.name}: {problem}")
        report: dict[str, Any] = json.loads(line)
        if (report["failed"] and not may_fail) or not report["requests"]:
            self.end()
            raise RuntimeError(
                f"{self._workload.name}: {report['failed']} requests failed, "
                f"{report['requests']} did not; the first: {report['first_error']}"
            )
        return Load(
            report["requests"],
            report["requests_per_s"],
            report["latency_us"]["p50"],
            report["latency_us"]["p99"],
            report["client_cpu_us_per_request"],
            report["failed"] - report["errors"]["unsent"],
            report["errors"]["unsent"],
            report["errors"]["status"],
            report["refusal_us"]["p99"],
        )

    def end(self) -> str:
        """Lets go of the connections; what the client printed as an error."""
        return self._process.communicate()[1]


def _arguments(workload: Workload, port: int) -> list[str]:
    arguments = [
        f"--url=127.0.0.1:{port}",
        f"--protocol={workload.protocol}",
        f"--connections={workload.connections}",
        f"--streams={workload.streams}",
    ]
    name = "-".join("".join(c if c.isalnum() else " " for c in workload.name.lower()).split())
    if workload.protocol == "http":
        arguments += [f"--path={workload.path}", f"--body-file={_file(name, workload.body)}"]
    else:
        arguments += [f"--method={workload.path}", f"--message-file={_file(name, workload.body)}"]
    for number, body in enumerate(workload.more_bodies):
        arguments += ["--mix=stream", f"--message-file={_file(f'{name}-{number}', body)}"]
    if workload.replies > 1:
        arguments.append(f"--replies={workload.replies}")
    return arguments + [f"--header={name}: {value}" for name, value in workload.headers]


def _file(name: str, content: bytes) -> Path:
    path = WORK / name
    path.write_bytes(content)
    return path
