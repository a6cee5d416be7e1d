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
from typing import Any, Final, TypeAlias

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


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def _c_function(name: str, result: type[Any] = ctypes.c_int) -> Callable[..., Any] | None:
    """None where the C library has no such function."""
    function = getattr(_C_LIBRARY, name, None)
    if function is not None:
        function.restype = result
    return function


# Opened once, which costs more than a call.
_C_LIBRARY: Final = ctypes.CDLL(None)
_malloc_trim: Final = _c_function("malloc_trim")
_mallinfo2: Final = _c_function("mallinfo2", _Mallinfo2)


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

    The C library keeps freed memory for later, which after a model's end may never come. It also
    keeps what lies at the end of an arena, of up to 64 MiB, which is what `trimming` is for.
    """
    if _malloc_trim is not None:  # glibc
        _malloc_trim(ctypes.c_size_t(0))


class _Trimming:
    """How much the C library may keep at the end of each arena (man 3 mallopt).

    By itself it keeps the more the larger the blocks are that it has seen freed, up to these
    figures; once one of the two is set it leaves both alone, so both are. Who sets them in the
    environment has them.
    """

    _M_TRIM_THRESHOLD: Final = -1
    _M_MMAP_THRESHOLD: Final = -3
    _MMAP_BYTES: Final = 32 << 20
    _KEPT_BYTES: Final = 2 * _MMAP_BYTES
    #: what a request's temporary tensors are below, mostly: they are not to pay for it
    _KEPT_MEANWHILE_BYTES: Final = 4 << 20
    _ENVIRONMENT: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        own = any(name in os.environ for name in self._ENVIRONMENT)
        self._mallopt = None if own else _c_function("mallopt")
        self._fixed = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """What is freed inside the block is given back at once, however many threads free."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, step: int) -> None:
        with self._lock:
            self._inside += step
            if self._mallopt is None:  # another C library
                return
            if not self._fixed:
                self._mallopt(self._M_MMAP_THRESHOLD, self._MMAP_BYTES)
                self._fixed = True
            kept = self._KEPT_MEANWHILE_BYTES if self._inside else self._KEPT_BYTES
            self._mallopt(self._M_TRIM_THRESHOLD, kept)


#: Memory that is freed inside `with trimming():` does not stay with the C library: that of a model
#: at its end, and what its load needs for a moment.
trimming: Final = _Trimming()


def allocated_bytes() -> int:
    """What the C library has given out; 0 where it does not say (before glibc 2.33)."""
    if _mallinfo2 is None:
        return 0
    found = _mallinfo2()
    return int(found.uordblks + found.hblkhd)
