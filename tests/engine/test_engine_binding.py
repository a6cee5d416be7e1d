# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The binding itself: who keeps what alive, who may go first, and what waits for whom."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_calls import Answer, Bench
from penstock._engine import (
    CompletionPort,
    ModelVersion,
    tensor_from_dlpack,
    tensor_from_numpy,
)
from penstock.errors import CancelledError, InternalError, InvalidArgError, UnavailableError


def run_python(source: str, **environment: str) -> str:
    """Runs the source beside these tests; its output. A crash or a hang fails."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", source],
        cwd=Path(__file__).parent,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- lifetimes of tensors


def test_a_tensor_outlives_batch_model_and_engine() -> None:
    bench = Bench(native=False, dynamic_batching=True)
    answers = [bench.submit((i, i)) for i in range(3)]
    batch = bench.next()
    gathered = batch.gather("INPUT0")
    single = batch[1].input("INPUT0")
    assert gathered is not None and single is not None
    views = gathered.numpy(), single.numpy()
    batch.fail_all(1, "enough")
    bench.model.complete(0, batch)
    bench.wait(*(answer for _, answer in answers))
    del bench, batch, gathered, single, answers
    gc.collect()
    np.testing.assert_array_equal(views[0], [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_array_equal(views[1], [[1, 1]])
    assert not views[0].flags.writeable


def test_a_dlpack_consumer_is_the_last_to_know_the_engine() -> None:
    bench = Bench(native=False, dynamic_batching=True)
    answers = [bench.submit((i, i)) for i in range(3)]
    batch = bench.next()
    view = np.from_dlpack(batch.gather("INPUT0"))  # type: ignore[arg-type]
    batch.fail_all(1, "enough")
    bench.model.complete(0, batch)
    bench.wait(*(answer for _, answer in answers))
    del bench, batch, answers
    gc.collect()
    np.testing.assert_array_equal(view, [[0, 0], [1, 1], [2, 2]])


def test_dlpack_both_ways_without_a_copy() -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    tensor = tensor_from_dlpack(array)
    assert tensor.shape == (2, 3)
    assert np.shares_memory(tensor.numpy(), array)
    back = np.from_dlpack(tensor)  # type: ignore[arg-type]
    assert np.shares_memory(back, array)
    np.testing.assert_array_equal(back, array)
    capsule = tensor.__dlpack__()
    tensor_from_dlpack(capsule)
    with pytest.raises(InvalidArgError, match="unused DLPack capsule"):
        tensor_from_dlpack(type("Used", (), {"__dlpack__": lambda self: capsule})())


def test_a_lent_array_is_kept_and_then_let_go_of() -> None:
    # Also when nothing but tensors comes and goes: no request, no batch.
    kept = []
    for _ in range(100):
        array = np.zeros(10, np.float32)
        kept.append(weakref.ref(array))
        tensor = tensor_from_numpy(array)
        del array
        assert kept[-1]() is not None
        del tensor
    assert sum(ref() is not None for ref in kept) <= 1


def test_lent_bytes_cannot_be_resized() -> None:
    data = bytearray(8)
    tensor = tensor_from_numpy(np.frombuffer(data, np.float32))
    with pytest.raises(BufferError):
        data.append(1)
    assert tensor.nbytes == 8


def test_empty_tensors() -> None:
    assert tensor_from_numpy(np.empty((0, 3), np.float32)).numpy().shape == (0, 3)
    assert tensor_from_numpy(np.empty((0,), object)).numpy().shape == (0,)
    assert Bench().infer(()).size == 0


# ---- lifetimes of calls


def test_a_call_is_encoded_once() -> None:
    bench = Bench()
    call, answer = bench.submit()
    with pytest.raises(InvalidArgError, match="not finished"):
        Bench(native=False).submit()[0].encode()
    bench.wait(answer)
    call.encode()
    with pytest.raises(InvalidArgError, match="encoded already"):
        call.encode()
    call.cancel()
    assert bench.engine.in_flight == 0


def test_cancelled_calls() -> None:
    bench = Bench(native=False)
    call, answer = bench.submit()
    call.cancel()
    bench.engine.publish("m", [])
    bench.engine.retire(bench.model, timeout_s=0)
    bench.wait(answer)
    with pytest.raises(CancelledError):
        call.encode()
    assert bench.model.statistics()["failures"]["CANCELED"] == 1


def test_a_call_may_be_dropped_at_any_time() -> None:
    bench = Bench(native=False)
    call, answer = bench.submit()
    del call
    batch = bench.next()
    batch.set_output(0, "OUTPUT0", np.ones((1, 2), np.float32))
    bench.model.complete(0, batch)
    bench.wait(answer)
    assert bench.engine.in_flight == 0
    assert bench.in_use() == 0


@pytest.mark.parametrize("parameters", [[(1, "a")], [("a", [])], [1], ["abc"]])
def test_a_submit_that_fails_leaves_nothing(parameters: Any) -> None:
    bench = Bench()
    with pytest.raises((TypeError, ValueError, InvalidArgError)):
        bench.submit(parameters=parameters)
    with pytest.raises(InvalidArgError):
        bench.codec.submit("m", -1, b"{", None, Answer())
    with pytest.raises(InvalidArgError, match="is not found"):
        bench.codec.submit("\udcff", -1, b"{}", None, Answer())
    assert bench.engine.in_flight == 0


def test_parameters_that_were_no_text() -> None:
    bench = Bench(native=False)
    call, answer = bench.submit(parameters=[("x", "a\udcff")])
    batch = bench.next()
    assert batch[0].parameters == {"x": "a?"}
    batch.answer(0)
    bench.model.complete(0, batch)
    bench.wait(answer)
    call.encode()


def test_one_future_that_raises_keeps_no_other_from_its_answer() -> None:
    class Closed(Answer):
        def set_result(self, result: None) -> None:
            raise RuntimeError("Event loop is closed")

    bench = Bench(native=False, dynamic_batching=True)
    closed = bench.submit(answer=Closed())
    others = [bench.submit() for _ in range(3)]
    batch = bench.next()
    batch.fail_all(1, "no")
    bench.model.complete(0, batch)
    with pytest.raises(RuntimeError, match="closed"):
        bench.port.drain()
    assert [answer.count for _, answer in others] == [1, 1, 1]
    del closed, others
    assert bench.engine.in_flight == 0


def test_the_collector_may_meet_a_call_first() -> None:
    # A cycle around an answered call: its engine must be there when the slot is given back.
    source = """
import gc
from engine_calls import Bench
bench = Bench()
engine = bench.engine
for _ in range(100):
    call, answer = bench.submit(classification=1)
    bench.wait(answer)
    cycle = [call, bench.codec, bench.port]
    cycle.append(cycle)
    del call, cycle
    gc.collect()
assert engine.in_flight == 0
cycle = [*bench.submit(), bench]
bench.wait(cycle[1])
cycle.append(cycle)
del bench, cycle, engine, answer
gc.collect()
"""
    run_python(source, MALLOC_PERTURB_="165")


def test_what_encode_converts_goes_back_to_the_pool() -> None:
    bench = Bench()
    call, answer = bench.submit(classification=1, binary_data=True)
    bench.wait(answer)
    assert b"2.000000:1:b" in call.encode()[0]
    assert bench.in_use() == 0


# ---- batches


def test_a_dropped_batch_is_answered() -> None:
    bench = Bench(native=False, instance_count=2)
    call, answer = bench.submit()
    batch = bench.model.next(1)
    cycle: list[Any] = [batch]
    cycle.append(cycle)  # the collector drops it, and may want to clear it first
    del batch, cycle
    gc.collect()
    bench.wait(answer)
    with pytest.raises(InternalError, match="dropped the batch"):
        call.encode()


def test_a_completed_batch_is_empty() -> None:
    bench = Bench(native=False, instance_count=2)
    call, answer = bench.submit()
    batch = bench.next()
    request = batch[0]
    with pytest.raises(IndexError):
        batch[1]
    with pytest.raises(InvalidArgError, match="executed by instance 0, not 1"):
        bench.model.complete(1, batch)
    batch.answer(0)
    bench.model.complete(0, batch)
    bench.wait(answer)
    call.encode()
    assert (len(batch), batch.total_batch_size) == (0, 0)
    for use in (
        lambda: request.id,
        lambda: batch.answer(0),
        lambda: batch.gather("INPUT0"),
        lambda: batch.fail_all(1, ""),
        lambda: bench.model.complete(0, batch),
    ):
        with pytest.raises(InvalidArgError):
            use()


def test_only_the_engine_makes_models() -> None:
    with pytest.raises(TypeError):
        ModelVersion()
    with pytest.raises(TypeError):
        CompletionPort(None)  # type: ignore[arg-type]


# ---- waiting


def test_a_blocked_next_blocks_nobody() -> None:
    bench = Bench(native=False)
    seen: list[object] = []
    waiting = threading.Thread(target=lambda: seen.append(bench.model.next(0)))
    waiting.start()
    assert sum(range(100_000)) == 4999950000  # has the interpreter for itself
    bench.engine.publish("m", [])
    bench.engine.retire(bench.model)
    waiting.join(60)
    assert seen == [None]


def test_retire_refuses_what_nobody_executes() -> None:
    bench = Bench(native=False, dynamic_batching=True)
    calls = [bench.submit() for _ in range(20)]
    bench.engine.publish("m", [])
    bench.engine.retire(bench.model, timeout_s=0)
    bench.wait(*(answer for _, answer in calls))
    for call, _ in calls:
        with pytest.raises(UnavailableError, match="Server is stopping"):
            call.encode()
    assert bench.engine.in_flight == 0


def test_the_interpreter_may_end_with_all_of_it_running() -> None:
    source = """
import threading
from engine_calls import Bench
native = Bench(delay_ms=20)
pulled = Bench(native=False, instance_count=2)
calls = [bench.submit() for bench in (native, native, pulled)]
pulled.next()
threading.Thread(target=lambda: pulled.model.next(1), daemon=True).start()
leaked = [native]
leaked.append(leaked)
"""
    for _ in range(3):
        run_python(source)


# ---- steady state


def test_a_warm_engine_asks_the_system_for_nothing() -> None:
    bench = Bench()
    for _ in range(100):
        bench.infer()
    warm = bench.engine.pool_stats()["system_allocs"]
    for _ in range(2000):
        np.testing.assert_array_equal(bench.infer(), [1, 2])
    assert bench.engine.pool_stats()["system_allocs"] == warm
    assert bench.in_use() == 0


def test_memory_stays_flat_over_many_requests() -> None:
    source = """
from pathlib import Path
from engine_calls import Bench
from penstock.errors import ServerError
bench = Bench(dynamic_batching=True, queue_capacity=64)
def rounds(count):
    for i in range(count):
        calls = [bench.submit() for _ in range(30)]
        calls[i % 30][0].cancel()
        bench.wait(*(answer for _, answer in calls))
        for call, _ in calls[:-1]:
            try:
                call.encode()
            except ServerError:
                pass
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4
rounds(1000)
before = resident()
rounds(9000)
print(resident() - before)
"""
    assert int(run_python(source)) < 2048  # KiB, after 270,000 more requests
