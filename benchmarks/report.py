# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tables, and their places in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.processes import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"

#: How long the idle machine is watched before a section, and what is too much to be called idle.
_WATCH_S = 1.0
_BUSY = 0.1


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("|---|" + "---:|" * (len(header) - 1))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    """The machine in words."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    gib = int(memory.group(1)) / 2**20 if memory else 0
    virtual = " (virtual machine)" if _is_virtual() else ""
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model.group(1) if model else 'unknown'}{virtual}"
        f", {gib:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"{' '.join(platform.libc_ver())}, Python {platform.python_version()}"
    )


def _is_virtual() -> bool:
    return "hypervisor" in Path("/proc/cpuinfo").read_text()


def run_line(command: str) -> str:
    """When, where and by what the table below it was made."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    busy = _busy_share()
    warning = " (**busy: these figures are too high**)" if busy > _BUSY else ""
    return f"`{command}` · {when} · {machine()} · others used {busy:.0%} of it before{warning}"


def _busy_share() -> float:
    """What others use of the machine's cores while this process only waits."""
    idle, total = _cpu_times()
    time.sleep(_WATCH_S)
    idle_after, total_after = _cpu_times()
    return 1 - (idle_after - idle) / max(total_after - total, 1)


def _cpu_times() -> tuple[int, int]:
    """Idle and all time of all cores so far, in ticks."""
    first = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    user, nice, system, idle, waiting, *others = map(int, first)
    return idle + waiting, user + nice + system + idle + waiting + sum(others)


def write_section(name: str, text: str) -> None:
    """Replaces what stands between the markers of this name. Raises ValueError without them."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    document = DOCUMENT.read_text()
    before, found, rest = document.partition(begin)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(f"{DOCUMENT.name} has no section '{name}'")
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def number(value: float) -> str:
    """Three significant digits, thousands with a comma."""
    if value >= 999.5:
        return f"{value:,.0f}"
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
