# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A client that behaves, in a process of its own, so that its times are not the attacker's.

with NormalTraffic(port, rate=500) as traffic: ...abuse...
traffic.result.p99_ms
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

RATE = 300


@dataclass(frozen=True)
class Result:
    """What the client saw; times in milliseconds."""

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float


class NormalTraffic:
    """Sends small inferences at `rate` a second, each at its time, until the block ends."""

    def __init__(self, port: int, rate: int = RATE) -> None:
        self._command = [sys.executable, __file__, str(port), str(rate)]
        self._process: subprocess.Popen[str] | None = None
        self.result = Result(0, 0, 0.0, 0.0)

    def __enter__(self) -> NormalTraffic:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        text, _ = self._process.communicate("")  # the end of its input ends it
        self.result = Result(**json.loads(text.splitlines()[-1]))


def measure(port: int, seconds: float, rate: int = RATE) -> Result:
    """What a client sees of a server that is left alone."""
    with NormalTraffic(port, rate) as traffic:
        time.sleep(seconds)
    return traffic.result


def _client(port: int, rate: int) -> Result:
    import select

    from raw_http import RawHttp, infer_message

    data, interval_s = infer_message(), 1 / rate
    times_s: list[float] = []
    failed = 0
    client = RawHttp(port)
    assert client.send(data) and client.reply()[0] == 200
    print("ready", flush=True)
    due = time.perf_counter()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.perf_counter()))[0]:
        started = time.perf_counter()
        if client.send(data) and client.reply()[0] == 200:
            times_s.append(time.perf_counter() - started)
        else:
            failed += 1
            client = RawHttp(port)
        due = max(due + interval_s, started)
    times_s.sort()
    p50_ms, p99_ms = (1000 * times_s[int(len(times_s) * part)] for part in (0.5, 0.99))
    return Result(len(times_s) + failed, failed, p50_ms, p99_ms)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent / "conformance"))
    print(json.dumps(asdict(_client(int(sys.argv[1]), int(sys.argv[2])))))
