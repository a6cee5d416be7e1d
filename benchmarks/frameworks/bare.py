# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A framework in a bare loop, in a process of its own: what serving is measured against.

`BareLoop` starts the process once and lets it run for a while, round by round. The program writes a
model (`write MODULE FILE`), or calls one (`loop MODULE FILE`): for each line `SECONDS ROWS` it
answers `CALLS WALL_NS CPU_NS`.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.processes import SERVER_CORE, on_cores

_WARM_UP_CALLS = 20
#: The clock is read once in so many seconds of calls, roughly.
_LOOK_S = 0.002


@dataclass(frozen=True)
class Calls:
    """What a loop did."""

    rows: int
    calls: int
    wall_ns: int
    cpu_ns: int

    @property
    def cpu_us(self) -> float:
        """A call's."""
        return self.cpu_ns / self.calls / 1000

    @property
    def row_cpu_us(self) -> float:
        """A row's."""
        return self.cpu_us / self.rows

    @property
    def rows_per_s(self) -> float:
        """By the clock."""
        return self.calls * self.rows / self.wall_ns * 1e9


class BareLoop:
    """The process, on the server's core. A context manager."""

    def __init__(self, module: str, path: Path, shape: tuple[int, ...]) -> None:
        """`shape` of a row."""
        dims = ",".join(map(str, shape))
        self._process = subprocess.Popen(
            _command("loop", module, str(path), f"--shape={dims}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()  # the end of its input is its own

    def run(self, seconds: float, rows: int = 1) -> Calls:
        """Calls for that long. Raises RuntimeError when the process has failed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{seconds} {rows}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        if len(answer) != 3:
            raise RuntimeError(f"the bare loop ended with {self._process.wait()}")
        calls, wall_ns, cpu_ns = map(int, answer)
        return Calls(rows, calls, wall_ns, cpu_ns)


def write_model(module: str, path: Path) -> None:
    """The module's model, by a process of its own: its framework is not wanted in this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(_command("write", module, str(path)), check=True, capture_output=True)


def _command(*arguments: str) -> list[str]:
    return on_cores(
        (SERVER_CORE,), [sys.executable, "-m", "benchmarks.frameworks.bare", *arguments]
    )


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("write", "loop"))
    parser.add_argument("module")
    parser.add_argument("path", type=Path)
    parser.add_argument("--shape", default="16")
    arguments = parser.parse_args()
    framework = importlib.import_module(arguments.module)
    if arguments.action == "write":
        framework.write(arguments.path)
        return
    calls: dict[int, Any] = {}
    for line in sys.stdin:
        seconds, count = line.split()
        rows = int(count)
        if rows not in calls:
            shape = (rows, *map(int, arguments.shape.split(",")))
            argument = np.random.default_rng(0).standard_normal(shape, np.float32)
            calls[rows] = framework.bare_call(arguments.path, argument)
            _repeat(calls[rows], _WARM_UP_CALLS)
        print(*_loop(calls[rows], float(seconds)), flush=True)


def _loop(call: Any, seconds: float) -> tuple[int, int, int]:
    """How many calls, and their time by the clock and of the CPU, in ns."""
    started = time.monotonic_ns()
    _repeat(call, 3)
    at_once = max(1, int(_LOOK_S * 3e9 / max(time.monotonic_ns() - started, 1)))
    calls, spent_ns, started = 0, time.process_time_ns(), time.monotonic_ns()
    while (passed_ns := time.monotonic_ns() - started) < seconds * 1e9:
        _repeat(call, at_once)
        calls += at_once
    return calls, passed_ns, time.process_time_ns() - spent_ns


def _repeat(call: Any, times: int) -> None:
    for _ in range(times):
        call()


if __name__ == "__main__":
    main()
