# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which C++ room may know which (docs/architecture.md): dependencies point downwards only."""

from __future__ import annotations

import graphlib
import re
from pathlib import Path

import pytest
from source_tree import CSRC, CXX, CYTHON, ENGINE, PUBLIC_HEADERS, short, text, with_suffix

#: the rooms directly below each room; what those may know, it may know too
BELOW: dict[str, set[str]] = {
    "base": set(),
    "sync": {"base"},
    "memory": {"sync"},
    "request": {"memory"},
    "batch": {"request"},
    "sched": {"batch"},
    "cache": {"batch"},
    "core": {"sched", "cache"},
    "backends": {"batch"},
    "wire": {"request"},
    "calls": {"wire", "core"},
    "worker": {"calls"},
    "door": {"wire", "core"},
}

#: the room that implements each public header
ROOM_OF_HEADER = {
    "backend.h": "batch",
    "buffer.h": "memory",
    "cancel_mark.h": "request",
    "cuda.h": "memory",
    "shared_regions.h": "memory",
    "clock.h": "base",
    "call_message.h": "wire",
    "codec.h": "wire",
    "completion.h": "sync",
    "door.h": "door",
    "grpc_door.h": "door",
    "engine.h": "core",
    "header_rules.h": "wire",
    "statistics.h": "core",
    "native_backends.h": "backends",
    "plan.h": "request",
    "redis.h": "cache",
    "ref_count.h": "sync",
    "request.h": "request",
    "status.h": "base",
    "tensor.h": "base",
    "model_calls.h": "calls",
    "worker.h": "worker",
    "trace.h": "request",
    "tracer.h": "core",
    "notices.h": "core",
}

#: third-party headers, and the only rooms that may include them
FOREIGN = {
    "nghttp2": {"door"},
    "openssl": {"door"},
    "protozero": {"wire"},
    "simdjson": {"wire"},
    "zlib": {"door"},
}
#: never: the core knows no Python, and opens CUDA and ONNX Runtime at run time
FORBIDDEN = re.compile(r"^(Python\.h|cuda|cupti|nvml|onnxruntime|torch/|tensorflow/)")

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def closure(room: str) -> set[str]:
    """The room and all below it."""
    found = {room}
    for below in BELOW[room]:
        found |= closure(below)
    return found


def room_of(path: Path) -> str:
    """The room that a file of csrc/ belongs to."""
    if path.parent == PUBLIC_HEADERS:
        return ROOM_OF_HEADER[path.name]
    return path.relative_to(CSRC).parts[0]


def included_file(path: Path, name: str) -> Path:
    """The file that `#include "name"` in `path` means."""
    for candidate in (path.parent / name, CSRC / "include" / name, CSRC / name):
        if candidate.exists():
            return candidate.resolve()
    raise AssertionError(f'{short(path)}: #include "{name}" names no file of csrc/')


def own_includes(path: Path) -> list[Path]:
    """The files of csrc/ that this one includes."""
    return [included_file(path, n) for quote, n in INCLUDE.findall(text(path)) if quote == '"']


SOURCES = list(with_suffix(CXX, CSRC))


def test_every_room_and_public_header_is_on_the_plan() -> None:
    rooms = {p.name for p in CSRC.iterdir() if p.is_dir() and p.name != "include"}
    assert rooms <= set(BELOW), "a new room: say in BELOW what it may know"
    headers = {p.name for p in PUBLIC_HEADERS.iterdir()}
    assert headers <= set(ROOM_OF_HEADER), "a new public header: say which room implements it"


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_includes_point_downwards(path: Path) -> None:
    allowed = closure(room_of(path))
    for target in own_includes(path):
        assert room_of(target) in allowed, (
            f"{short(path)} ({room_of(path)}) may not know {short(target)} ({room_of(target)})"
        )


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_foreign_headers_stay_in_their_rooms(path: Path) -> None:
    for _, name in INCLUDE.findall(text(path)):
        assert not FORBIDDEN.match(name), f"{short(path)} includes {name}"
        rooms = FOREIGN.get(re.split(r"[./]", name)[0], {room_of(path)})
        assert room_of(path) in rooms, f"{short(path)}: <{name}> belongs to {sorted(rooms)}"


@pytest.mark.parametrize("path", [p for p in with_suffix(CXX) if CSRC in p.parents], ids=short)
def test_the_core_never_calls_python(path: Path) -> None:
    """Nor declares what it could call: so it can never take the GIL."""
    assert not re.search(r"\b_?Py[A-Z]\w*\s*\(", text(path))


def test_public_headers_include_no_private_one() -> None:
    for path in PUBLIC_HEADERS.glob("*.h"):
        for target in own_includes(path):
            assert target.parent == PUBLIC_HEADERS, f"{short(path)} includes {short(target)}"


def test_no_include_cycle() -> None:
    graph = {path: own_includes(path) for path in SOURCES}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError with the cycle


def test_cmake_links_no_more_than_the_plan() -> None:
    calls = re.findall(r"^penstock_room\((\w+)([^)]*)\)", text(CSRC / "CMakeLists.txt"), re.M)
    assert calls
    for room, arguments in calls:
        linked = set(re.findall(r"penstock_(\w+)", arguments))
        assert linked <= closure(room) - {room}, f"{room} links {linked - closure(room)}"


def test_the_binding_knows_only_public_headers() -> None:
    for path in with_suffix(CYTHON | CXX, ENGINE):
        declared = re.findall(r'extern\s+from\s+"([^"]+)"', text(path))
        included = [name for quote, name in INCLUDE.findall(text(path)) if quote == '"']
        for header in [*declared, *included]:
            public = (CSRC / "include" / header).exists() or header == "Python.h"
            assert public or (ENGINE / header).exists(), f"{short(path)} knows {header}"


def test_declarations_live_in_pxd() -> None:
    for path in with_suffix({".pxi", ".pyx"}, ENGINE):
        assert not re.search(r'extern\s+from\s+"penstock/', text(path)), (
            f"{short(path)}: declare csrc's headers in engine/pxd"
        )
