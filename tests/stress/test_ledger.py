# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The ledger of a live server under more than it can do: what clients were told is what it counted.

Requests have a random priority and queue time-out; in the second half some are cancelled at any
moment. 20,000 requests, or a million with PENSTOCK_FULL=1.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from server_process import ServerProcess
from sizes import report, size
from survive import MIB, Survivor
from tritonclient.grpc import service_pb2

ROOT = Path(__file__).parents[2]
#: As `make bench` builds it, or `make test-cpp`.
BUILDS = [
    ROOT / "build" / preset / "benchmarks/load/penstock_load" for preset in ("release", "asan")
]
LOAD = next((program for program in BUILDS if program.exists()), None)
REQUESTS = size(20_000, 1_000_000) // 6  # of each test: three models, with and without cancels
CONNECTIONS, STREAMS = 32, 16
CANCELLED = 0.05
KINDS = 48
SETTLE_S = 10.0

EXPIRED = "gRPC 14, Request timeout expired"
FULL_QUEUE = "Exceeds maximum queue size"

pytestmark = pytest.mark.skipif(LOAD is None, reason="penstock_load is built by make test-cpp")


@dataclass(frozen=True)
class Client:
    """What the clients of one run were told."""

    ok: int
    expired: int
    refused: int
    cancelled: int
    seconds: float


@dataclass(frozen=True)
class Server:
    """What the server counted of a model."""

    success: int
    rejected: int
    cancelled: int
    other: int
    pending: int

    def since(self, before: Server) -> Server:
        return Server(
            self.success - before.success,
            self.rejected - before.rejected,
            self.cancelled - before.cancelled,
            self.other - before.other,
            self.pending,
        )


def messages(model: str, folder: Path) -> list[Path]:
    """Requests of every priority there is and some that are unknown, with and without time-out."""
    chance = random.Random(model)
    values = np.arange(4, dtype=np.float32).reshape(1, 4)
    paths = []
    for number in range(KINDS):
        request = service_pb2.ModelInferRequest(model_name=model)
        request.inputs.add(
            name="INPUT0", datatype="FP32", shape=[1, 4] if model != "plain" else [4]
        )
        request.raw_input_contents.append(values.tobytes())
        request.parameters["priority"].uint64_param = chance.choice([0, 1, 2, 3, 3, 9])
        if chance.random() < 0.5:
            request.parameters["timeout"].int64_param = chance.choice(
                [1, 500, 3_000, 8_000, 50_000]
            )
        paths.append(folder / f"{model}-{number}")
        paths[-1].write_bytes(request.SerializeToString())
    return paths


def load(server: ServerProcess, model: str, folder: Path, cancelled: float) -> Client:
    """Sends the requests as fast as they are answered, 512 at a time."""
    command = [str(LOAD), f"--url={server.grpc_url}", "--protocol=grpc", f"--requests={REQUESTS}"]
    command += [f"--connections={CONNECTIONS}", f"--streams={STREAMS}", f"--cancel={cancelled}"]
    command += [f"--message-file={path}" for path in messages(model, folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    statuses: dict[str, int] = told["statuses"]
    refused = sum(count for text, count in statuses.items() if text.endswith(FULL_QUEUE))
    expired = statuses.get(EXPIRED, 0)
    # Nothing else went wrong, and nobody was left without an answer.
    assert expired + refused == told["failed"], (told["first_error"], statuses, told["errors"])
    assert told["requests"] + told["failed"] + told["cancelled"] == REQUESTS
    return Client(told["requests"], expired, refused, told["cancelled"], told["seconds"])


def counted(server: ServerProcess, model: str) -> Server:
    scrape = server.metrics()
    labels = f'model="{model}",version="1"'

    def failures(reason: str) -> int:
        name = f'nv_inference_request_failure{{model="{model}",reason="{reason}",version="1"}}'
        return int(scrape[name])

    return Server(
        int(scrape[f"nv_inference_request_success{{{labels}}}"]),
        failures("REJECTED"),
        failures("CANCELED"),
        failures("BACKEND") + failures("OTHER"),
        int(scrape[f"nv_inference_pending_request_count{{{labels}}}"]),
    )


def settled(survivor: Survivor) -> None:
    """Waits for what was cancelled while it was executed."""
    deadline = time.monotonic() + SETTLE_S
    while survivor.ledger() != survivor.balance:
        assert time.monotonic() < deadline, f"not released: {survivor.ledger()}"
        time.sleep(0.02)


def play(survivor: Survivor, model: str, folder: Path, cancelled: float) -> tuple[Client, Server]:
    before = counted(survivor.server, model)
    client = load(survivor.server, model, folder, cancelled)
    settled(survivor)
    server = counted(survivor.server, model).since(before)
    report(f"{model}, {cancelled:.0%} cancelled: {client}")
    report(f"{model}, {cancelled:.0%} cancelled: {server}")
    assert server.pending == 0
    assert server.other == 0
    return client, server


@pytest.mark.parametrize("model", ["plain", "levels", "ordered"])
def test_every_outcome_is_counted_as_it_was_told(
    survivor: Survivor, model: str, tmp_path: Path
) -> None:
    client, server = play(survivor, model, tmp_path, 0.0)
    assert server.success == client.ok
    assert server.rejected == client.expired
    assert server.cancelled == 0
    # M-2: a full queue is refused before the model counts.
    assert client.ok + client.expired + client.refused == REQUESTS
    if model != "plain":
        assert client.expired > 0, "no time-out ever passed: the server was not overloaded"


@pytest.mark.parametrize("model", ["plain", "levels", "ordered"])
def test_every_cancelled_request_has_one_outcome(
    survivor: Survivor, model: str, tmp_path: Path
) -> None:
    """What became of a cancelled one its client is not told; the others' outcomes are as told."""
    client, server = play(survivor, model, tmp_path, CANCELLED)
    assert client.cancelled > REQUESTS * CANCELLED / 3
    unknown = server.success - client.ok, server.rejected - client.expired, server.cancelled
    assert all(count >= 0 for count in unknown), (client, server)
    assert sum(unknown) <= client.cancelled, (client, server)


def test_memory_stays_flat(survivor: Survivor, tmp_path: Path) -> None:
    """All slots and buffers that this load needs are there by now."""
    load(survivor.server, "levels", tmp_path, CANCELLED)
    settled(survivor)
    before = survivor.resident_bytes()
    load(survivor.server, "levels", tmp_path, CANCELLED)
    settled(survivor)
    growth = survivor.resident_bytes() - before
    report(f"RSS grew by {growth / MIB:.2f} MiB over {REQUESTS:,} requests")
    assert growth <= 8 * MIB
