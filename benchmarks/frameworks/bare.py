# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Writes a framework's model, or calls it in a bare loop and prints CPU ns a call."""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

_CALLS_A_LOOK = 200


def main() -> None:
    """`write` or `loop`, the module of the framework, the model's file, seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("write", "loop"))
    parser.add_argument("module")
    parser.add_argument("path", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    framework = importlib.import_module(arguments.module)
    if arguments.action == "write":
        framework.write(arguments.path)
        return
    call = framework.bare_call(arguments.path)
    for _ in range(10 * _CALLS_A_LOOK):
        call()
    calls, spent_ns, ends = 0, time.process_time_ns(), time.monotonic() + arguments.seconds
    while time.monotonic() < ends:
        for _ in range(_CALLS_A_LOOK):
            call()
        calls += _CALLS_A_LOOK
    print((time.process_time_ns() - spent_ns) / calls)


if __name__ == "__main__":
    main()
