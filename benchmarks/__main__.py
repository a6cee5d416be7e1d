# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Runs the benchmarks and writes their tables into docs/benchmarks.md (`make bench`)."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import benchmarks.boundary.bench as boundary
import benchmarks.codec.bench as codec
import benchmarks.frameworks.bench as frameworks
import benchmarks.lifecycle.bench as lifecycle
import benchmarks.micro.bench as micro
import benchmarks.rivals.bench as rivals
import benchmarks.rivals.schedulers as schedulers
import benchmarks.workers.bench as workers
from benchmarks import connections, gpu, memory, overload, scaling, startup, timeouts
from benchmarks.programs import DEFAULT_BUILD, use_build
from benchmarks.report import run_line, write_section


@dataclass(frozen=True)
class Sizes:
    """How long everything is measured."""

    micro_s: float
    loop_rounds: int
    loop_requests: int
    rounds: int
    round_s: float
    starts: int
    memory_requests: int
    connections: int
    timeouts: int
    overload_s: float
    deaths: int
    lifecycle: lifecycle.Sizes = lifecycle.Sizes()


FULL = Sizes(0.05, 5, 64_000, 5, 0.8, 5, 5_000_000, 2_000, 1_000, 8.0, 100)
#: Only to see that everything works; its figures are not worth keeping.
QUICK = Sizes(0.01, 1, 16_000, 1, 0.3, 1, 24_000, 200, 60, 1.0, 3, lifecycle.QUICK)

SECTIONS: dict[str, Callable[[Sizes], str]] = {
    "micro": lambda s: micro.run(seconds=s.micro_s),
    "boundary": lambda s: boundary.run(rounds=s.loop_rounds, requests=s.loop_requests),
    "codec": lambda s: codec.run(),
    "startup": lambda s: startup.run(rounds=s.starts),
    "rivals": lambda s: rivals.run(rounds=s.rounds, seconds=s.round_s),
    "schedulers": lambda s: schedulers.run(rounds=s.rounds, seconds=s.round_s),
    "scaling": lambda s: scaling.run(rounds=s.rounds, seconds=s.round_s),
    "connections": lambda s: connections.run(connections=s.connections),
    "overload": lambda s: overload.run(seconds=s.overload_s),
    "timeouts": lambda s: timeouts.run(requests=s.timeouts),
    "frameworks": lambda s: frameworks.run(rounds=s.rounds, seconds=s.round_s),
    "workers": lambda s: workers.run(rounds=s.rounds, seconds=s.round_s, deaths=s.deaths),
    "lifecycle": lambda s: lifecycle.run(s.lifecycle),
    "gpu": lambda s: gpu.run(),
    "memory": lambda s: memory.run(requests=s.memory_requests),
}


def main() -> int:
    """The exit code: 1 when a section could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="short runs, printed, not written")
    parser.add_argument(
        "--build", type=Path, default=DEFAULT_BUILD, help="where the C++ programs are built"
    )
    parser.add_argument("--requests", type=int, help="how many the section 'memory' sends")
    arguments = parser.parse_args()
    use_build(arguments.build)
    sizes = QUICK if arguments.quick else FULL
    if arguments.requests is not None:
        sizes = replace(sizes, memory_requests=arguments.requests)
    failed = []
    for name in arguments.only:
        header = run_line(f"python -m benchmarks --only {name}")
        started = time.monotonic()
        try:
            text = SECTIONS[name](sizes)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"\n## {name}: failed\n{error}", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        print(f"\n## {name} ({time.monotonic() - started:.0f} s)\n\n{text}", flush=True)
        if not arguments.quick:
            write_section(name, f"{header}\n\n{text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
