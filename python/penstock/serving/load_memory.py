# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the load of a model takes of the server's and the GPUs' memory (contract 1.11).

It is the growth while the load runs, warm-up included: what other work takes meanwhile is in it,
and loads that overlap share their growth evenly. Of the host's memory two things are looked at, and
the larger growth counts: resident pages, which miss what comes from memory that was freed before,
and what is allocated, which misses files that are mapped.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from penstock import _engine
from penstock._engine import Engine
from penstock.errors import ServerError

#: Where memory is, as the protocol has it: "CPU" or "GPU", and the device's number.
Place: TypeAlias = tuple[str, int]
#: Bytes by what is looked at: "resident" and "allocated" for the host, else the GPU's number.
Reading: TypeAlias = Mapping[str | int, int]

HOST: Final[Place] = ("CPU", 0)
_RESIDENT: Final = "resident"
_ALLOCATED: Final = "allocated"
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Growth:
    """Of one load; complete when its block ends."""

    devices: frozenset[int] = frozenset()
    bytes: Counter[str | int] = field(default_factory=Counter)

    def usage(self) -> dict[Place, int]:
        """Bytes by place; places of which it has none are left out."""
        host = max(self.bytes[_RESIDENT], self.bytes[_ALLOCATED])
        grown = {HOST: host, **{("GPU", gpu): self.bytes[gpu] for gpu in sorted(self.devices)}}
        return {place: size for place, size in grown.items() if size > 0}


class MemoryMeter:
    """Thread safe."""

    def __init__(self, read: Callable[[Iterable[int]], Reading]) -> None:
        """`read`: what is used now, of the host and of these GPUs."""
        self._read = read
        self._lock = threading.Lock()
        self._running: list[Growth] = []
        self._last: Reading = {}

    @contextmanager
    def measure(self, devices: Iterable[int] = ()) -> Iterator[Growth]:
        """Measures what is done inside the block; `devices`: the GPUs that it may use."""
        growth = Growth(frozenset(devices))
        with self._lock:
            self._share(growth.devices)
            self._running.append(growth)
        try:
            yield growth
        finally:
            with self._lock:
                self._share()
                self._running.remove(growth)

    def _share(self, more: frozenset[int] = frozenset()) -> None:
        """What has grown since the last look goes to those that ran since then."""
        devices = more.union(*(growth.devices for growth in self._running))
        now = self._read(sorted(devices))
        for growth in self._running:
            for name, used in now.items():
                grown = used - self._last.get(name, used)
                growth.bytes[name] += grown // len(self._running)
        self._last = now


def read_memory(engine: Engine, devices: Iterable[int]) -> Reading:
    """Of this process and these GPUs; one that cannot be asked is left out."""
    reading: dict[str | int, int] = {_RESIDENT: _resident_bytes(), _ALLOCATED: allocated_bytes()}
    for device in devices:
        try:
            free_bytes, total_bytes = _engine.gpu_memory(engine, device)
        except ServerError:
            continue
        reading[device] = total_bytes - free_bytes
    return reading


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def release_free_memory() -> None:
    """Gives what nobody uses back to the system; takes milliseconds, without the GIL.

    The C library keeps freed memory for later, which after a model's end may never come.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:  # glibc
        malloc_trim(ctypes.c_size_t(0))


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def allocated_bytes() -> int:
    """What the C library has given out; 0 where it does not say (before glibc 2.33)."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        return 0
    mallinfo2.restype = _Mallinfo2
    found = mallinfo2()
    return int(found.uordblks + found.hblkhd)
