# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Host policies: the cores that the threads of a policy's instances run on (contract C-14, O-68).

A policy without settings binds nothing. Memory is not bound: the kernel gives a thread memory of
the node it runs on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from penstock.errors import InvalidArgError

_NODES: Final = Path("/sys/devices/system/node")
#: More than any kernel can address; keeps a slip of the pen from filling the memory.
_MAX_CORE: Final = 65535

Cores = tuple[int, ...]


def parse_cores(text: str) -> Cores:
    """`0-3,8` -> (0, 1, 2, 3, 8). Raises ValueError naming the text."""
    cores: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdecimal() and int(end) <= _MAX_CORE for end in ends):
            raise ValueError(f"'{text}' is not a list of cores such as '0-3,8'")
        low, high = int(ends[0]), int(ends[1])
        if low > high:
            raise ValueError(f"'{text}' is not a list of cores: {low} is greater than {high}")
        cores.update(range(low, high + 1))
    return tuple(sorted(cores))


def resolve_host_policies(
    settings: Iterable[tuple[str, str, str]],
    *,
    available: frozenset[int] | None = None,
    nodes: Path = _NODES,
) -> Mapping[str, Cores]:
    """The cores of each policy that has settings.

    `settings`: (policy, "numa-node" or "cpu-cores", value), a later one of the same setting wins;
    with both, the cores are those that are in both. `available`: the cores of this process.
    Raises InvalidArgError for nodes and cores that the process has not.
    """
    if available is None:
        available = frozenset(os.sched_getaffinity(0))
    merged: dict[str, dict[str, str]] = {}
    for policy, setting, value in settings:
        merged.setdefault(policy, {})[setting] = value
    return {policy: _resolve(policy, asked, available, nodes) for policy, asked in merged.items()}


def _resolve(
    policy: str, asked: Mapping[str, str], available: frozenset[int], nodes: Path
) -> Cores:
    allowed = available
    if "numa-node" in asked:
        allowed &= _node_cores(policy, asked["numa-node"], nodes)
    if "cpu-cores" in asked:
        cores = frozenset(parse_cores(asked["cpu-cores"]))
        if missing := sorted(cores - available):
            raise InvalidArgError(
                f"host policy '{policy}' has cpu-cores={asked['cpu-cores']}, but this process "
                f"cannot run on {_listed(missing)}; it can run on {_listed(sorted(available))}"
            )
        allowed &= cores
    if not allowed:
        shown = ", ".join(f"{setting}={value}" for setting, value in asked.items())
        raise InvalidArgError(
            f"host policy '{policy}' ({shown}) leaves no core of those that this process can run "
            f"on: {_listed(sorted(available))}"
        )
    return tuple(sorted(allowed))


def _node_cores(policy: str, node: str, nodes: Path) -> frozenset[int]:
    try:
        text = (nodes / f"node{int(node)}" / "cpulist").read_text().strip()
    except OSError:
        found = sorted(int(path.name[4:]) for path in nodes.glob("node[0-9]*"))
        raise InvalidArgError(
            f"host policy '{policy}' has numa-node={node}, which does not exist; the machine has "
            f"NUMA nodes {_listed(found)}"
        ) from None
    return frozenset(parse_cores(text)) if text else frozenset()


def _listed(numbers: Iterable[int]) -> str:
    """[0, 1, 2, 5] -> "0-2,5"; "none" for nothing."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"
