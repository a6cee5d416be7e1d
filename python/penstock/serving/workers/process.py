# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One worker process: started, watched by descriptors, killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from penstock.serving.workers.control import ControlSocket
from penstock.serving.workers.job import Job

_PROGRAM: Final = "penstock.serving.workers.main"
#: Libraries that start a thread a core, unless they are told otherwise.
_THREAD_COUNTS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Program:
    """What a process runs: a command that three numbers are added to, and changes to the server's
    variables (None: removed)."""

    command: tuple[str, ...] = (sys.executable, "-P", "-m", _PROGRAM)
    variables: Mapping[str, str | None] = field(default_factory=dict)


#: A worker in the server's own environment.
OWN_PROGRAM: Final = Program()


class WorkerProcess:
    """A process with a group of its own, that ends with the server, however that ends.

    Not with a session: where Linux groups tasks by session (`sched_autogroup_enabled`), one weighs
    as much as the whole server, and niceness counts only within it.

    It is to be started by a thread that lives as long as the server: the kernel ends it with that
    thread.
    """

    def __init__(
        self, job: Job, memory_fd: int, *, threads: int, program: Program = OWN_PROGRAM
    ) -> None:
        """Starts it and gives it the job. Raises OSError."""
        ours, theirs = socket.socketpair()
        output, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(output, False)
        fds = (theirs.fileno(), memory_fd)
        try:
            self._process = subprocess.Popen(  # noqa: S603  no word of it comes from outside
                [*program.command, *map(str, (*fds, os.getpid()))],
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                pass_fds=fds,
                process_group=0,
                env=_variables(program, job, threads),
            )
        except BaseException:
            ours.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            os.close(write_end)
        self.output = output
        self.control = ControlSocket(ours)
        self.pidfd = os.pidfd_open(self._process.pid)
        with contextlib.suppress(OSError):  # it has ended already: pidfd tells
            self.control.send(job.to_message())

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self._process.pid

    def kill(self) -> None:
        """Ends it, and what it has started."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def reap(self) -> str:
        """Waits for the end of a process that has ended. How it ended, in words."""
        code = self._process.wait()
        self.kill()  # what it has started
        if code >= 0:
            return f"it exited with code {code}"
        return f"it was killed by signal {-code} ({_signal_name(-code)})"

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it. None: not reaped."""
        return self._process.returncode

    def rss_bytes(self) -> int:
        """Resident memory in bytes, without what it shares; 0 when it has ended."""
        try:
            fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        except OSError:
            return 0
        return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES

    def close(self) -> None:
        """Forgets its descriptors; after reap()."""
        os.close(self.pidfd)
        os.close(self.output)
        self.control.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _variables(program: Program, job: Job, threads: int) -> dict[str, str]:
    """The server's, bounds on the threads that frameworks start, and a name for people."""
    name = job.instance.name if job.instance else job.context.name
    bounds = dict.fromkeys(_THREAD_COUNTS, str(threads))
    return changed(bounds | dict(os.environ), {**program.variables, "PENSTOCK_INSTANCE": name})


def changed(variables: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Variables with changes to them; None: removed."""
    merged = {**variables, **changes}
    return {name: value for name, value in merged.items() if value is not None}
