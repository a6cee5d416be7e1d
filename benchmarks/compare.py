# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Compares two builds of Penstock: fails when the new one costs more than 5 % more a request.

    python -m benchmarks.compare HEAD~1              # that commit, against the working tree
    python -m benchmarks.compare v0.1.0 HEAD
    python -m benchmarks.compare /opt/old/bin/python # any interpreter that has penstock installed

A commit is built aside, into build/compare. Two measures, and either may fail:
 - instructions a request through codec, core and binding, on one thread, counted by valgrind: exact
   to a fraction of a percent, on any machine, but blind to the kernel, to caches and to waiting;
 - CPU time a request of the whole server under load, paired rounds. It counts as worse when the
   median round is more than 5 % worse and so are three rounds of four.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Sample, paired_rounds
from benchmarks.processes import ROOT
from benchmarks.report import number, run_line, table
from benchmarks.rivals.bench import MODELS, WORKLOADS

LIMIT = 1.05
WORKING_TREE = "working tree"

_AREA = ROOT / "build" / "compare"
_BURSTS = (200, 1200)


@dataclass(frozen=True)
class Build:
    """A name for the tables, and the interpreter that has this build's penstock."""

    name: str
    python: str


def main() -> int:
    """The exit code: 1 when the new build is worse."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", help="a git revision, or an interpreter")
    parser.add_argument("new", nargs="?", default=WORKING_TREE)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    old, new = prepare(arguments.old), prepare(arguments.new)
    print(run_line(f"python -m benchmarks.compare {old.name} {new.name}"), end="\n\n")
    worse = compare_instructions(old, new)
    worse += compare_cpu(old, new, arguments.rounds, arguments.seconds)
    for what in worse:
        print(f"worse than {LIMIT:.0%} of '{old.name}': {what}", file=sys.stderr)
    return 1 if worse else 0


# ---------------------------------------------------------------- builds


def prepare(what: str) -> Build:
    """The build that the argument means; a revision is built unless that was done before."""
    if what == WORKING_TREE:
        return Build(what, sys.executable)
    if Path(what).is_file():
        return Build(what, what)
    commit = _output("git", "-C", str(ROOT), "rev-parse", "--verify", f"{what}^{{commit}}").strip()
    folder = _AREA / commit[:12]
    python = folder / "venv" / "bin" / "python"
    if not (folder / "built").exists():
        print(f"building {what} in {folder}", file=sys.stderr)
        _build(commit, folder, python)
        (folder / "built").touch()
    return Build(what, str(python))


def _build(commit: str, folder: Path, python: Path) -> None:
    """A venv with that penstock; everything else comes from the environment that runs this."""
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "source"
    source.mkdir(parents=True)
    archive = folder / "source.tar"
    _output("git", "-C", str(ROOT), "archive", f"--output={archive}", commit)
    _output("tar", "-xf", str(archive), "-C", str(source))
    _output(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
    here = sysconfig.get_path("purelib")
    theirs = Path(_output(str(python), "-c", "import sysconfig as s; print(s.get_path('purelib'))"))
    # Paths in a .pth are searched, but their own .pth files are not run: an editable install of
    # the working tree stays out of sight.
    Path(str(theirs).strip(), "dependencies.pth").write_text(here + "\n")
    scripts = sysconfig.get_path("scripts")
    _output(
        *("env", f"PATH={scripts}:/usr/local/bin:/usr/bin:/bin", str(python), "-m", "pip"),
        *("install", "--quiet", "--no-deps", "--no-build-isolation", str(source)),
    )


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


# ---------------------------------------------------------------- measures


def compare_instructions(old: Build, new: Build) -> list[str]:
    """Prints the table; returns what is worse."""
    if shutil.which("valgrind") is None:
        print("Instructions: not counted, valgrind is missing. CPU time alone decides.\n")
        return []
    counts = [_instructions(build.python) for build in (old, new)]
    ratio = counts[1] / counts[0]
    row = ["codec, core and binding", *map(number, counts), f"{ratio:.3f}"]
    header = ["instructions a request (valgrind)", old.name, new.name, "new / old"]
    print(table(header, [row]), end="\n\n")
    return ["instructions"] if ratio > LIMIT else []


def _instructions(python: str) -> float:
    """The difference between a long and a short run leaves the start-up out."""
    few, many = (_count(python, bursts) for bursts in _BURSTS)
    requests = (_BURSTS[1] - _BURSTS[0]) * 3 * 16  # three kinds, bursts of 16
    return (many - few) / requests


def _count(python: str, bursts: int) -> int:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [python, "-m", "benchmarks.boundary.stages", f"--bursts={bursts}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        # Hash seeds move dictionaries about, by which counts would differ from run to run.
        env={"PYTHONHASHSEED": "0", "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    counted = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode != 0 or counted is None:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return int(counted.group(1).replace(",", ""))


def compare_cpu(old: Build, new: Build, rounds: int, seconds: float) -> list[str]:
    """Prints the table; returns what is worse."""
    rows, worse = [], []
    with ExitStack() as stack:
        targets = []
        for role, build in (("old", old), ("new", new)):
            targets.append(start_penstock(MODELS, name=role, python=build.python))
            stack.enter_context(targets[-1].server)
        for workload in WORKLOADS:
            samples = paired_rounds(targets, workload, rounds=rounds, seconds=seconds)
            ratios = _ratios(samples["old"], samples["new"])
            cost = [statistics.median(s.cpu_us for s in samples[name]) for name in ("old", "new")]
            rows.append([workload.name, *map(number, cost), f"{statistics.median(ratios):.3f}"])
            if is_worse(ratios):
                worse.append(f"CPU, {workload.name}")
    header = ["server CPU, us a request", old.name, new.name, "new / old (median of pairs)"]
    print(table(header, rows), end="\n\n")
    return worse


def _ratios(old: list[Sample], new: list[Sample]) -> list[float]:
    return [after.cpu_us / before.cpu_us for before, after in zip(old, new, strict=True)]


def is_worse(ratios: list[float]) -> bool:
    """More than 5 % in the median, and in three rounds of four: one busy moment is not enough."""
    beyond = sum(ratio > LIMIT for ratio in ratios)
    return statistics.median(ratios) > LIMIT and beyond >= 0.75 * len(ratios)


if __name__ == "__main__":
    sys.exit(main())
