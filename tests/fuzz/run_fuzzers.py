# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Runs the fuzz targets of the preset `fuzz`, one after the other, and sums up what they did.

Inputs that reach something new are kept in build/fuzz/corpus; with --keep the fewest that reach all
of it are added to tests/fuzz/corpus. An input that breaks a promise is written to
build/fuzz/findings; moved to the target's corpus, every later build replays it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
BUILD = HERE.parents[1] / "build" / "fuzz"
MAX_BYTES = 4096
SANITIZERS = {"UBSAN_OPTIONS": "print_stacktrace=1"}


def fuzz(target: str, seconds: int) -> bool:
    """Looks for inputs; True when none breaks a promise."""
    found = BUILD / "corpus" / target
    found.mkdir(parents=True, exist_ok=True)
    findings = BUILD / "findings"
    findings.mkdir(exist_ok=True)
    command = [str(BUILD / "tests" / "fuzz" / f"fuzz_{target}"), str(found), str(CORPUS / target)]
    command += [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", "-timeout=10"]
    command += ["-print_final_stats=1", f"-artifact_prefix={findings}/{target}-"]
    dictionary = HERE / "dictionaries" / f"{target}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    run = subprocess.run(
        command, env=os.environ | SANITIZERS, capture_output=True, text=True, errors="replace"
    )
    executions = re.findall(r"number_of_executed_units: (\d+)", run.stderr)
    coverage = re.findall(r"cov: (\d+) ft: (\d+)", run.stderr)
    edges, features = coverage[-1] if coverage else ("?", "?")
    verdict = "ok" if run.returncode == 0 else "FAILED"
    count = executions[-1] if executions else "?"
    print(f"{target:16} {count:>10} executions {edges:>6} edges {features:>6} features  {verdict}")
    if run.returncode != 0:
        print(run.stderr[-6000:], file=sys.stderr)
    return run.returncode == 0


def keep(target: str) -> None:
    """Adds to the corpus what reaches more than it does."""
    program = BUILD / "tests" / "fuzz" / f"fuzz_{target}"
    folders = [str(CORPUS / target), str(BUILD / "corpus" / target)]
    subprocess.run([str(program), "-merge=1", *folders], check=True, capture_output=True)
    files = [path.stat().st_size for path in (CORPUS / target).iterdir()]
    print(f"{target:16} {len(files):>5} files {sum(files):>7} bytes")


def main() -> int:
    """The exit status: 1 when a target has failed."""
    targets = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--keep", action="store_true", help="add what is new to the corpus")
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(targets))
    arguments = parser.parse_args()
    passed = True
    for target in arguments.targets or targets:
        passed = fuzz(target, arguments.seconds) and passed
        if arguments.keep:
            keep(target)
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
