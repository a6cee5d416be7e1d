# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A server under measurement: started on one core, watched through /proc, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
#: Where servers log and payloads lie.
WORK = ROOT / "build" / "benchmarks"

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
#: The client's, apart from the server's where there are two.
CLIENT_CORE = CORES[min(1, len(CORES) - 1)]

_STEP_S = 0.01
_IDLE_LOOP = (
    "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
)
#: an import of TensorFlow on one busy core
_START_S = 180.0


def on_cores(cores: Sequence[int], command: Sequence[str]) -> list[str]:
    """The command, bound to these cores with all that it starts."""
    return ["taskset", "-c", ",".join(map(str, cores)), *command]


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


@contextlib.contextmanager
def cores_awake(cores: Sequence[int] = CORES) -> Iterator[None]:
    """Keeps these cores from sleeping: loops of the idle class run where nobody else does.

    Or most of a small request's latency is that of waking a virtual machine's core. As children of
    this process: Linux may group tasks by session, and then each session has its share.
    """
    loop = (sys.executable, "-c", _IDLE_LOOP)
    loops = [subprocess.Popen(on_cores([core], loop), stdin=subprocess.DEVNULL) for core in cores]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


class Server:
    """A process and its children. Use as a context manager: leaving it stops the process."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cores: Sequence[int] = (SERVER_CORE,),
    ) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = WORK / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                on_cores(cores, command),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ if env is None else env),
                cwd=ROOT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_ready(self, url: str) -> None:
        """Until `url` answers 200. Raises RuntimeError with the log's end when it never will."""
        deadline = time.monotonic() + _START_S
        while not _answers(url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not become ready:\n{tail}")
            time.sleep(_STEP_S)

    @property
    def runs(self) -> bool:
        """It has not ended by itself."""
        return self._process.poll() is None

    def cpu_ns(self) -> int:
        """Time on a CPU so far of every thread of the process and its children."""
        return sum(_first_number(path) for path in self._tasks("schedstat"))

    def rss_bytes(self) -> int:
        """Resident memory of the process and its children, in bytes."""
        page = os.sysconf("SC_PAGE_SIZE")
        total = 0
        for pid in self.pids():
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
            except OSError:
                continue  # ended since
        return total

    def pids(self) -> list[int]:
        """The process and all its descendants."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        found = [self._process.pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not end in ten seconds."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _tasks(self, name: str) -> list[Path]:
        return [path for pid in self.pids() for path in Path(f"/proc/{pid}/task").glob(f"*/{name}")]


def _first_number(path: Path) -> int:
    try:
        return int(path.read_text().split()[0])
    except OSError:
        return 0  # a thread that has just ended


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
