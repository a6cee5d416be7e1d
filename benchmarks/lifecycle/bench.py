# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The life cycle of models beside traffic: Penstock, and Triton where it has the same thing."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lifecycle import many, storm, swaps
from benchmarks.lifecycle.control import fresh_repository, load, unload, write_identity
from benchmarks.load.penstock_server import start_penstock
from benchmarks.load.rounds import Target
from benchmarks.processes import CLIENT_CORE, ROOT, cores_awake
from benchmarks.report import table
from benchmarks.rivals.triton import start_triton

_EXPLICIT = "--model-control-mode=explicit"
_RESNET = ROOT / "examples" / "models" / "resnet50"

Start = Callable[..., Target]


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    swaps: int = 100
    pause_s: float = 0.2
    cycles: int = 500
    storm_s: float = 20.0
    reloads: int = 1_000
    models: int = 1_000
    memory_cycles: int = 100
    cost_s: float = 9.0


QUICK = Sizes(10, 0.1, 10, 2.0, 20, 30, 5, 0.5)


def run(sizes: Sizes) -> str:
    """The tables, as Markdown."""
    # What is asked for here is to cost the servers' core nothing but what they do for it.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        return _tables(sizes)
    finally:
        os.sched_setaffinity(0, before)


def _tables(sizes: Sizes) -> str:
    rivals: list[tuple[str, Start]] = [("Penstock", functools.partial(start_penstock, name="lc"))]
    missing = ""
    try:
        _probe_triton()
        rivals.append(("Triton", start_triton))
    except (RuntimeError, OSError) as error:
        missing = f"Triton was not measured: {str(error).partition(chr(10))[0]}"
    parts = [_swaps(rivals, sizes), *_changes(rivals, sizes), _many(rivals, sizes)]
    return "\n\n".join(filter(None, (*parts, missing)))


def _probe_triton() -> None:
    root = fresh_repository("probe")
    write_identity(root, "steady")
    start_triton(root).server.stop()


def _swaps(rivals: list[tuple[str, Start]], sizes: Sizes) -> str:
    lines = []
    for name, start in rivals:
        root = fresh_repository(f"swaps-{name.lower()}")
        write_identity(root, swaps.MODEL)
        target = start(root, options=(_EXPLICIT, f"--load-model={swaps.MODEL}"))
        with target.server, cores_awake():
            found, first = {}, 1
            for workload in swaps.WORKLOADS:
                found[workload.name] = swaps.measure(
                    target, root, workload, swaps=sizes.swaps, pause_s=sizes.pause_s, first=first
                )
                first += sizes.swaps
        lines += swaps.rows(name, found)
    return swaps.render(lines, sizes.swaps)


def _changes(rivals: list[tuple[str, Start]], sizes: Sizes) -> list[str]:
    """The storm, reloads and memory, of one server each."""
    storms, ages, memories = [], [], []
    for name, start in rivals:
        root = fresh_repository(f"storm-{name.lower()}")
        for model in ("steady", "stormy"):
            write_identity(root, model)
        if name == "Penstock" and _RESNET.exists():
            shutil.copytree(_RESNET, root / "resnet50")
        target = start(root, options=(_EXPLICIT, "--load-model=steady"))
        target = Target(name, target.server, target.http_port, target.grpc_port)
        with target.server:
            ages.append(_ageing(target, start, sizes))
            for model in ("stormy", "resnet50"):
                if (root / model).exists():
                    memories.append(
                        storm.memory_row(
                            target,
                            model,
                            cycles=sizes.memory_cycles,
                            loads=functools.partial(load, target, model),
                            unloads=functools.partial(unload, target, model),
                        )
                    )
            # last: it may be the end of a server
            with cores_awake():
                storms.append(storm.storm_row(target, cycles=sizes.cycles, seconds=sizes.storm_s))
    return [
        table(storm.AGEING_HEADER, ages),
        table(storm.STORM_HEADER, storms),
        table(storm.MEMORY_HEADER, memories),
    ]


def _ageing(target: Target, start: Start, sizes: Sizes) -> list[str]:
    root = fresh_repository("unchanged")
    write_identity(root, "steady")
    unchanged = start(root)
    with unchanged.server:
        return storm.ageing_row(target, unchanged, reloads=sizes.reloads, seconds=sizes.cost_s)


def _many(rivals: list[tuple[str, Start]], sizes: Sizes) -> str:
    lines = []
    for name, start in rivals:
        root = fresh_repository(f"one-{name.lower()}")
        write_identity(root, "steady")

        def open_one(repository: Path, start: Start = start) -> tuple[Target, int]:
            opened = start(repository)
            return opened, _metrics_port(opened)

        alone = start(root)
        with alone.server:
            lines.append(many.row(name, open_one, alone, models=sizes.models, seconds=sizes.cost_s))
    return table(many.HEADER, lines)


def _metrics_port(target: Target) -> int:
    command = Path(f"/proc/{target.server.pids()[0]}/cmdline").read_text()
    found = re.search(r"--metrics-port=(\d+)", command)
    assert found is not None
    return int(found[1])
