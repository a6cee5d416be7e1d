# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The survival contract: what must hold of a server after any abuse.

    1. the same process        5. memory within bounds
    2. alive within 100 ms     6. the ledger balances: created == released
    3. right answers in that   7. no 5xx for what a client did wrong: clients_fault()
    4. descriptors, threads, children, shared memory and temporary files as before
    8. replies and log tell nothing about the inside: harmless()

The server runs with --debug-endpoints. A test ends with `Survivor.check`, which waits for quiet.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from server_process import ServerProcess
from tritonclient.grpc import service_pb2, service_pb2_grpc

MIB = 1 << 20
SETTLE_S = 5.0
QUIET_S = 2.0
ANSWER_S = 0.1
#: A machine that does something else for a moment must not fail a test; a harmed server always is
#: slow.
TRIES = 20
#: Without a new thread, until there are all that there can be.
WARM_ROUNDS = 4
#: What a test sends where a secret belongs, and no reply or log may repeat.
SECRET = "penstock-secret-7f3a"

#: Starts a server with further options, which ends with the module. `prefix`: what runs the
#: command; `tls`: how to reach it.
Serve = Callable[..., ServerProcess]

_VALUES = np.arange(4, dtype=np.float32).reshape(1, 4)
_MODEL = "labelled"
_SHARED_MEMORY = Path("/dev/shm")
#: RFC 9110's and the protocol's own answers that name what the client did wrong, or when to retry.
_CLIENTS_FAULT = frozenset((*range(400, 500), 501, 505))
_GRPC_CLIENTS_FAULT = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
#: gRPC's own threads, behind the door: it starts and ends them as it likes, within its bounds.
_GRPC_POOL = re.compile(
    "event_engine|resolver-execut|default-executo|grpc_global_tim|timer_manager"
)
_INSIDE = re.compile(
    r"Traceback \(most recent|File \"[^\"]+\", line \d"
    r"|\b0x[0-9a-fA-F]{6,}|/dev/shm|triton_python_backend_shm"
    r"|(?<![\w.:/])/(?:usr|home|root|tmp|opt|var|proc|etc|lib)/\w" + f"|{SECRET}"
)


class Survivor:
    """Remembers how a server was, and checks that it still is."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.pid = server.running.pid
        self._warm_up()
        self._shared_memory = _entries(_SHARED_MEMORY)
        self.balance = self.ledger()
        self.baseline = self._settled()
        self.mark()

    def mark(self) -> None:
        """Memory and log are looked at from here on."""
        self._canaries()
        self.rss_bytes = self.resident_bytes()
        self._log_at = len(self.server.log)

    def check(self, *, cases: int = 1000, max_growth_bytes: int = 8 * MIB) -> None:
        """Raises AssertionError when the server was harmed; growth is per 1,000 cases."""
        assert self.server.running.poll() is None, self.server.log
        assert self.server.running.pid == self.pid
        self._answers_in_time()
        _wait_for(lambda: self.ledger() == self.balance, lambda: f"not released: {self.ledger()}")
        _wait_for(lambda: self._resources() == self.baseline, self._difference)
        growth = self.resident_bytes() - self.rss_bytes
        most = max_growth_bytes * max(cases, 1000) / 1000
        assert growth <= most, f"grew by {growth / MIB:.1f} MiB"
        self._log_is_harmless()

    def _warm_up(self) -> None:
        """What is made once, threads of the control plane too, is there from now on."""
        for _ in range(3):
            self._canaries()
        load = partial(self.server.request, "POST", "/v2/repository/models/no_such/load")
        work: list[Callable[[], Any]] = [load, self.server.metrics] * 64
        with ThreadPoolExecutor(32) as clients:
            before, rounds = -1, 0
            while before < (now := len(list(self._threads()))) or rounds < WARM_ROUNDS:
                before, rounds = now, 0 if before < now else rounds + 1
                for done in [clients.submit(one) for one in work]:
                    done.result()

    def _answers_in_time(self) -> None:
        waited_s = []
        for _ in range(TRIES):
            waited_s.append(self._canaries())
            if waited_s[-1] <= ANSWER_S:
                return
            time.sleep(QUIET_S / 4)
        raise AssertionError(f"answers took {waited_s} s")

    def _canaries(self) -> float:
        """The longest of three answers, which must be right, in seconds."""
        return max(map(_timed, (self._is_live, self._http_canary, self._grpc_canary)))

    def _is_live(self) -> None:
        assert self.server.request("GET", "/v2/health/live").status == 200

    def _http_canary(self) -> None:
        values = _VALUES.ravel().tolist()
        tensor = {"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": values}
        reply = self.server.request("POST", f"/v2/models/{_MODEL}/infer", {"inputs": [tensor]})
        assert reply.status == 200, reply.body
        assert reply.json["outputs"][0]["data"] == values

    def _grpc_canary(self) -> None:
        with grpc.insecure_channel(
            self.server.grpc_url, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            answer = stub.ModelInfer(infer_request(), timeout=10)
            stub.ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=10)
        assert answer.raw_output_contents[0] == _VALUES.tobytes()

    def ledger(self) -> dict[str, Any]:
        """What is created and not released."""
        reply = self.server.request("GET", "/debug/ledger", port=self.server.metrics_port)
        engine, http, rpc = (
            reply.json[name] for name in ("engine", "HTTPService", "GRPCInferenceService")
        )
        return {
            "requests in the core": engine["requests_in_flight"],
            "leased bytes": engine["in_use_bytes"],
            "HTTP connections": http["connections_opened"] - http["connections_closed"],
            "HTTP requests": http["requests_begun"] - http["requests_ended"],
            "HTTP bytes in flight": http["in_flight_bytes"],
            "gRPC connections": rpc["connections_opened"] - rpc["connections_closed"],
            "gRPC calls": rpc["calls_begun"] - rpc["calls_ended"],
            "gRPC bytes in flight": rpc["in_flight_bytes"],
        }

    def _resources(self) -> dict[str, Any]:
        """What the process has of the system's; asking the server itself would change it."""
        root = Path(f"/proc/{self.pid}")
        return {
            "descriptors": len(os.listdir(root / "fd")),
            "threads": Counter(name for name in self._threads() if not _GRPC_POOL.match(name)),
            "children": len((root / "task" / str(self.pid) / "children").read_text().split()),
            "shared memory": _entries(_SHARED_MEMORY) - self._shared_memory,
            "temporary files": sorted(os.listdir(self.server.temporary)),
        }

    def _threads(self) -> Iterator[str]:
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has just ended
                yield (task / "comm").read_text().strip()

    def _settled(self) -> dict[str, Any]:
        """The resources once they stay: pooled connections to the control plane last a second."""
        before, since = self._resources(), time.monotonic()
        while time.monotonic() - since < QUIET_S:
            time.sleep(0.1)
            if (now := self._resources()) != before:
                before, since = now, time.monotonic()
        return before

    def _difference(self) -> str:
        now = self._resources()
        changed = {k: (self.baseline[k], v) for k, v in now.items() if v != self.baseline[k]}
        return f"(before, after): {changed}"

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _log_is_harmless(self) -> None:
        root = next(part for part in self.server.command if part.startswith("--model-repository"))
        harmless(self.server.log[self._log_at :].replace(root.partition("=")[2], "<repository>"))


def infer_request(model: str = _MODEL) -> Any:
    """A good request."""
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="INPUT0", datatype="FP32", shape=list(_VALUES.shape))
    request.raw_input_contents.append(_VALUES.tobytes())
    return request


def clients_fault(status: int | grpc.StatusCode) -> bool:
    """Is this an answer for a request that is wrong? 500 and INTERNAL are not."""
    return status in _CLIENTS_FAULT or status in _GRPC_CLIENTS_FAULT


def harmless(text: str | bytes) -> None:
    """Raises AssertionError when a reply or a log tells what nobody outside may know."""
    found = _INSIDE.search(text if isinstance(text, str) else text.decode("latin-1"))
    assert found is None, f"tells {found.group()!r}: {text!r}" if found else ""


def _entries(directory: Path) -> frozenset[str]:
    """Of ours: other programs have files there too."""
    names = os.listdir(directory) if directory.is_dir() else ()
    return frozenset(name for name in names if "penstock" in name)


def _timed(action: Callable[[], None]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _wait_for(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
