# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Whose the growth of memory is (1.11)."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from penstock._engine import Engine
from penstock.serving import load_memory
from penstock.serving.load_memory import (
    MemoryMeter,
    Reading,
    read_memory,
    release_free_memory,
)

MIB = 1 << 20
CPU = ("CPU", 0)


class Gauge:
    """What is used, as a test sets it."""

    def __init__(self) -> None:
        self.used: dict[str | int, int] = {"resident": 100, "allocated": 50, 0: 7, 1: 9}

    def __call__(self, devices: Iterable[int]) -> Reading:
        shown = {"resident", "allocated", *devices}
        return {name: used for name, used in self.used.items() if name in shown}


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def gauge() -> Gauge:
    return Gauge()


def test_the_larger_growth_counts(gauge: Gauge) -> None:
    meter = MemoryMeter(gauge)
    with meter.measure() as growth:
        gauge.used |= {"resident": 130, "allocated": 90}
    assert growth.usage() == {CPU: 40}
    with meter.measure() as growth:
        gauge.used |= {"resident": 190, "allocated": 91}
    assert growth.usage() == {CPU: 60}


def test_what_was_there_before_or_comes_later_does_not_count(gauge: Gauge) -> None:
    meter = MemoryMeter(gauge)
    with meter.measure() as first:
        gauge.used["resident"] += 10
    gauge.used["resident"] += 1000
    with meter.measure() as second:
        gauge.used["resident"] += 20
    gauge.used["resident"] += 1000
    assert (first.usage(), second.usage()) == ({CPU: 10}, {CPU: 20})


def test_loads_that_overlap_share(gauge: Gauge) -> None:
    meter = MemoryMeter(gauge)
    with meter.measure() as outer:
        gauge.used["resident"] += 10
        with meter.measure() as inner:
            gauge.used["resident"] += 100
        gauge.used["resident"] += 1
    assert (outer.usage(), inner.usage()) == ({CPU: 61}, {CPU: 50})


def test_memory_that_shrinks_is_none(gauge: Gauge) -> None:
    with MemoryMeter(gauge).measure() as growth:
        gauge.used |= {"resident": 10, "allocated": 10}
    assert growth.usage() == {}


def test_gpus_count_where_a_load_may_use_them(gauge: Gauge) -> None:
    meter = MemoryMeter(gauge)
    with meter.measure({1}) as growth:
        gauge.used |= {0: 1000, 1: 29}
    assert growth.usage() == {("GPU", 1): 20}
    with meter.measure({0}) as one, meter.measure({1}) as other:
        gauge.used |= {0: 1100, 1: 129}
    assert one.usage()["GPU", 0] == 50  # the other one may have taken it: nobody can tell
    assert other.usage()["GPU", 1] == 50


def test_this_process_can_be_measured() -> None:
    engine = Engine(max_requests=4)
    with MemoryMeter(lambda devices: read_memory(engine, devices)).measure() as growth:
        ballast = bytearray(64 * MIB)
    assert 60 * MIB < growth.usage()[CPU] < 80 * MIB
    del ballast


def test_free_memory_is_given_back() -> None:
    """Blocks below the C library's own bounds, under one that is still in use."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(ctypes.c_size_t(MIB)) for _ in range(48)]
    for block in blocks:
        ctypes.memset(block, 1, MIB)
    for block in blocks[:-1]:
        libc.free(block)
    before = resident_bytes()
    release_free_memory()
    given_back = before - resident_bytes()
    libc.free(blocks[-1])
    assert given_back > 32 * MIB


#: Blocks of a thread's own arena, freed by another one, as a model's end frees what its load took.
_ARENA = """
import ctypes, sys, threading
from pathlib import Path
from penstock.serving.load_memory import release_free_memory, trimming

MIB = 1 << 20
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // MIB

def load(blocks):
    for _ in range(48):
        blocks.append(libc.malloc(ctypes.c_size_t(MIB)))
        ctypes.memset(blocks[-1], 1, MIB)

libc.free(libc.malloc(ctypes.c_size_t(31 * MIB)))  # from now on the C library keeps more
before = resident_mib()
for _ in range(3):
    blocks = []
    thread = threading.Thread(target=load, args=(blocks,))
    thread.start()
    thread.join()
    with trimming():
        for block in blocks:
            libc.free(block)
    release_free_memory()
print(resident_mib() - before)
"""


def test_memory_at_the_end_of_an_arena_is_given_back_too() -> None:
    ran = subprocess.run([sys.executable, "-c", _ARENA], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 8


def test_blocks_overlap_and_the_last_one_puts_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[int, int]] = []
    mine = load_memory._Trimming()
    monkeypatch.setattr(mine, "_mallopt", lambda name, size: said.append((name, size)))
    with mine():
        with mine():
            pass
        assert said[0] == (-3, 32 * MIB)  # both, or the C library goes on changing the other
        assert said[-1] == (-1, 4 * MIB)
    assert said[-1] == (-1, 64 * MIB)


def test_who_has_set_it_in_the_environment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    mine = load_memory._Trimming()
    assert mine._mallopt is None
    with mine():
        pass
