# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Requests kept in flight on a uvloop, as a frontend does it, without any network."""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Literal

from penstock._engine import Engine, ModelVersion, make_identity_instance
from penstock.serving.data_plane import DataPlane

from benchmarks.boundary.stages import identity_plan, publish
from benchmarks.load.workloads import SMALL, grpc_message, http_body

Door = Literal["http", "grpc"]
Kind = Literal["native", "python"]


@dataclass(frozen=True)
class Cost:
    """ns a request: of the loop's thread, and of all threads."""

    loop_ns: float
    process_ns: float


@dataclass(frozen=True)
class Growth:
    """What a run of requests left behind, and what the pool asked the system for meanwhile."""

    system_allocs: int
    heap_bytes: int
    python_blocks: int


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def heap_bytes() -> int:
    """Bytes that glibc has handed out and not got back, all arenas and mappings."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Mallinfo2
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


class ClosedLoop:
    """One model on an engine, and the DataPlane of the running loop."""

    def __init__(self, engine: Engine, data: DataPlane) -> None:
        self.engine = engine
        self._data = data
        self._http_body, self._json_bytes = http_body(SMALL, binary=True)
        self._message = grpc_message("identity", SMALL)

    async def run(self, door: Door, *, requests: int, in_flight: int = 16) -> Cost:
        """Answers `requests` requests, `in_flight` at a time."""
        worker = self._http if door == "http" else self._grpc
        process_ns, loop_ns = time.process_time_ns(), time.thread_time_ns()
        await asyncio.gather(*(worker(requests // in_flight) for _ in range(in_flight)))
        loop_ns = time.thread_time_ns() - loop_ns
        process_ns = time.process_time_ns() - process_ns
        return Cost(loop_ns / requests, process_ns / requests)

    async def _http(self, count: int) -> None:
        for _ in range(count):
            await self._data.infer_http("identity", -1, self._http_body, self._json_bytes)

    async def _grpc(self, count: int) -> None:
        for _ in range(count):
            await self._data.infer_grpc(self._message)


async def bare_futures(*, requests: int, in_flight: int = 16) -> Cost:
    """The same coroutines with futures that the loop itself resolves: asyncio's own part."""
    loop = asyncio.get_running_loop()

    async def worker(count: int) -> None:
        for _ in range(count):
            future: asyncio.Future[None] = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    started_ns = time.thread_time_ns()
    await asyncio.gather(*(worker(requests // in_flight) for _ in range(in_flight)))
    spent = (time.thread_time_ns() - started_ns) / requests
    return Cost(spent, spent)


@asynccontextmanager
async def closed_loop(kind: Kind, *, dynamic: bool) -> AsyncIterator[ClosedLoop]:
    """Identity, native or on a Python thread, until the block ends."""
    engine = Engine()
    model = publish(engine, identity_plan(dynamic=dynamic))
    if kind == "native":
        model.start_native(0, make_identity_instance())
    data = DataPlane(engine)
    with _python_instance(model) if kind == "python" else _nothing():
        yield ClosedLoop(engine, data)
        engine.publish("identity", [])
        engine.retire(model)
    data.close()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _python_instance(model: ModelVersion) -> Iterator[None]:
    """A thread that serves the model until it is retired."""

    def serve() -> None:
        while (batch := model.next(0)) is not None:
            batch.mark_exec_start()
            tensor = batch.gather("INPUT0")
            batch.mark_exec_end()
            if tensor is not None:
                batch.scatter("OUTPUT0", tensor)
            model.complete(0, batch)

    thread = threading.Thread(target=serve, name="identity")
    thread.start()
    yield
    thread.join()
