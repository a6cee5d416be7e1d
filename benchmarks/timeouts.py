# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How precisely a queue time-out is kept while the only instance is busy.

A model takes 200 ms a request and is never idle. Requests with a time-out of 50 ms come behind
them: each is to be refused after 50 to 60 ms, over HTTP and over gRPC, and none is to be executed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import grpc
from penstock._proto import inference_pb2

from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Target
from benchmarks.load.workloads import GRPC_METHOD
from benchmarks.processes import WORK
from benchmarks.report import table

TIMEOUT_MS = 50
BAR_MS = 60
MODEL_MS = 200
_EXPIRED = "Request timeout expired"
#: Requests of the busy clients: there is always one that is executed and one that waits for it.
_BUSY = 2
_PAUSE_S = 0.007  # between two requests: no multiple of anything

_CONFIG = f"""
name: "busy" backend: "identity" max_batch_size: 1
input {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ 1 ] }}
output {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] }}
parameters {{ key: "execute_delay_ms" value: {{ string_value: "{MODEL_MS}" }} }}
dynamic_batching {{
  default_queue_policy {{
    default_timeout_microseconds: 60000000 allow_timeout_override: true
  }}
}}
"""

#: Sends one request, with a queue time-out in us or 0; None: it was executed; else why it was not.
Send = Callable[[int], Awaitable[str | None]]


def run(*, requests: int) -> str:
    """The table, as Markdown."""
    header = ["queue time-out of 50 ms", "refused", "executed", "p50, ms", "p99, ms", "most, ms"]
    target = start_penstock(_repository(), name="timeouts")
    with target.server:
        gc.freeze()  # a collection of all that is imported takes the client 20 ms
        try:
            rows = asyncio.run(_rows(target, requests))
        finally:
            gc.unfreeze()
    return table([*header, "bar, ms", "met"], rows)


def _repository() -> Path:
    root = WORK / "timeouts-models"
    shutil.rmtree(root, ignore_errors=True)
    (root / "busy" / "1").mkdir(parents=True)
    (root / "busy" / "config.pbtxt").write_text(_CONFIG)
    return root


async def _rows(target: Target, requests: int) -> list[list[str]]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        grpc.aio.insecure_channel(f"127.0.0.1:{target.grpc_port}") as channel,
    ):
        ways = {"HTTP": _http(session, target.http_port), "gRPC": _grpc(channel)}
        return [[name, *await _measure(send, requests)] for name, send in ways.items()]


async def _measure(send: Send, requests: int) -> list[str]:
    over = asyncio.Event()
    busy = [asyncio.create_task(_keep_busy(send, over)) for _ in range(_BUSY)]
    await send(0)  # by now one of theirs is executed
    pending = []
    for _ in range(requests):
        pending.append(asyncio.create_task(_timed(send)))
        await asyncio.sleep(_PAUSE_S)
    done = await asyncio.gather(*pending)
    over.set()
    await asyncio.gather(*busy)
    waited = sorted(ms for ms, why in done if why is not None)
    others = {why for _, why in done if why not in (None, _EXPIRED)}
    if others or len(waited) < 2:
        raise RuntimeError(f"requests were refused for other reasons: {others}")
    met = len(waited) == requests and waited[0] >= TIMEOUT_MS and waited[-1] <= BAR_MS
    p50, p99 = (
        statistics.median(waited),
        statistics.quantiles(waited, n=100, method="inclusive")[98],
    )
    return [
        *(f"{count:,}" for count in (len(waited), requests - len(waited))),
        *(f"{ms:.1f}" for ms in (p50, p99, waited[-1])),
        f"{TIMEOUT_MS}-{BAR_MS}",
        "yes" if met else "**no**",
    ]


async def _keep_busy(send: Send, over: asyncio.Event) -> None:
    while not over.is_set():
        why = await send(0)
        if why is not None:
            raise RuntimeError(f"the busy client was refused: {why}")


async def _timed(send: Send) -> tuple[float, str | None]:
    started = time.perf_counter()
    why = await send(TIMEOUT_MS * 1000)
    return (time.perf_counter() - started) * 1000, why


def _http(session: aiohttp.ClientSession, port: int) -> Send:
    tensor = {"name": "INPUT0", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}

    async def send(timeout_us: int) -> str | None:
        body = {"inputs": [tensor], "parameters": {"timeout": timeout_us} if timeout_us else {}}
        url = f"http://127.0.0.1:{port}/v2/models/busy/infer"
        async with session.post(url, data=json.dumps(body)) as reply:
            text: dict[str, str] = await reply.json(content_type=None)
            return None if reply.status == 200 else text["error"]

    return send


def _grpc(channel: grpc.aio.Channel) -> Send:
    call = channel.unary_unary(GRPC_METHOD)

    async def send(timeout_us: int) -> str | None:
        request = inference_pb2.ModelInferRequest(model_name="busy")
        request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 1])
        request.raw_input_contents.append(bytes(4))
        if timeout_us:
            request.parameters["timeout"].int64_param = timeout_us
        try:
            await call(request.SerializeToString())
        except grpc.aio.AioRpcError as error:
            return str(error.details())
        return None

    return send
