# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The GPUs of the machine, as plain data (contract C-10, C-13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Gpu:
    """One GPU as the CUDA driver numbers and names it."""

    index: int
    name: str
    #: as NVML and nvidia-smi write it: GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx
    uuid: str
    memory_bytes: int
    #: (major, minor)
    compute_capability: tuple[int, int]

    @property
    def words(self) -> str:
        """For people: number, name, capability."""
        major, minor = self.compute_capability
        return f"{self.index} ({self.name}, compute capability {major}.{minor})"


@dataclass(frozen=True)
class Gpus:
    """What was found, and which of it may be used."""

    found: tuple[Gpu, ...] = ()
    #: why there are none, or what is wrong with one of them, in the driver's own words
    problem: str = ""
    #: --min-supported-compute-capability, as <major>.<minor> (O-66)
    min_compute_capability: float = 0.0

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """Those of at least the least compute capability."""
        least = divmod(round(self.min_compute_capability * 10), 10)
        return tuple(gpu for gpu in self.found if gpu.compute_capability >= least)

    @property
    def ids(self) -> tuple[int, ...]:
        """The numbers of the usable ones."""
        return tuple(gpu.index for gpu in self.usable)

    def uuid(self, index: int) -> str:
        """Empty for one that is not there."""
        return next((gpu.uuid for gpu in self.found if gpu.index == index), "")

    @property
    def why_none(self) -> str:
        """Why nothing is usable: the driver's words, or what was found and is too old."""
        if self.found:
            listed = ", ".join(gpu.words for gpu in self.found)
            return (
                f"compute capability {self.min_compute_capability:.1f} is needed, found are: "
                f"{listed}"
            )
        return self.problem or "none was found"


NO_GPUS: Final = Gpus()
