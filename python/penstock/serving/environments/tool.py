# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Runs what builds environments (venv, pip, conda-unpack): bounded, and ended with the server."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from penstock.errors import InternalError
from penstock.serving.workers.output import OutputLog

#: Runs the tool, and ends its whole process group when the thread that has asked for it is gone
#: (prctl(PR_SET_PDEATHSIG)): pip has children, and they have children.
_GUARD: Final = """
import ctypes, os, signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
sys.exit(abs(subprocess.call(sys.argv[2:], close_fds=False)))
"""


def run_tool(
    command: Sequence[str | Path],
    name: str,
    *,
    folder: Path,
    variables: Mapping[str, str],
    timeout_s: float,
    keep_open: int,
) -> None:
    """Runs a program to its end; its lines go to the log, behind `name`.

    `keep_open`: a descriptor that it inherits. Raises
    InternalError with its last lines when it fails, or is not done in time; OSError when it cannot
    be started.
    """
    deadline = time.monotonic() + timeout_s
    words = [sys.executable, "-I", "-S", "-c", _GUARD, os.getpid(), *command]
    process = subprocess.Popen(  # noqa: S603  no shell; the words are the server's
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=variables,
        pass_fds=(keep_open,),
        start_new_session=True,
    )
    with process:
        try:
            log = _read_all(process, name, deadline)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise InternalError(f"{name} was not done in time, and was ended") from None
        finally:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has left behind
    if code != 0:
        raise InternalError("\n".join([f"{name} failed with code {code}:", *log.last]))


def _read_all(process: subprocess.Popen[bytes], name: str, deadline: float) -> OutputLog:
    assert process.stdout is not None
    fd = process.stdout.fileno()
    os.set_blocking(fd, False)
    log = OutputLog(fd, name)
    events = select.poll()
    events.register(fd, select.POLLIN)
    while log.read():
        left = deadline - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(name, 0)
        events.poll(left * 1000)
    log.finish()
    return log
