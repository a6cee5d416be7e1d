# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Which Python room may import which (docs/architecture.md), read from the sources, not run."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_tree import GENERATED, PACKAGE, tree, with_suffix

#: the rooms directly below each room; what those may import, it may import too
BELOW: dict[str, set[str]] = {
    "types": set(),
    "errors": set(),
    "weights": set(),  # for models
    "garbage": set(),
    "_proto": set(),
    "telemetry": set(),
    "devices": {"errors"},
    "config": {"types", "devices", "_proto"},
    "backends": {"config", "telemetry", "garbage"},
    "models": {"backends"},
    "serving": {"models"},
    "frontends": {"serving"},
    "comparison": {"serving"},
    "cli": {"frontends", "comparison"},
    "__main__": {"cli"},
}
#: who may import the compiled core: serving, the frontends' and comparison's codec calls, the back
#: ends, and the command line, which puts the server together
ENGINE_USERS = {"serving", "frontends", "comparison", "backends", "cli"}

#: a framework, and the only module (or package) of penstock that may import it
FRAMEWORKS = {
    "onnxruntime": "penstock.backends.onnxruntime",
    "torch": "penstock.backends.pytorch",
    "safetensors": "penstock.backends.pytorch",
    "tensorflow": "penstock.backends.tensorflow",
    "ai_edge_litert": "penstock.backends.litert",
    "openvino": "penstock.backends.openvino",
    "jax": "penstock.backends.jax",
    "tensorrt": "penstock.backends.tensorrt",
    "tensorrt_lean": "penstock.backends.tensorrt",
    "cuda": "penstock.backends.tensorrt",
}
#: the same for the libraries that speak to the outside
TRANSPORTS = {
    "aiohttp": ("penstock.frontends.http", "penstock.frontends.metrics"),
    "grpc": ("penstock.frontends.grpc", "penstock.comparison.grpc_client"),
    "prometheus_client": (
        "penstock.telemetry",
        "penstock.frontends.metrics",
        "penstock.backends.python.pb_utils.metrics",  # a model's own metrics (M-22)
    ),
}
#: what every back end may import of its own room
SHARED_BY_BACKENDS = {"framework", "interface", "model_code", "registry"}

Import = tuple[str, bool]  # module, only for type checkers


def module_name(path: Path) -> str:
    """penstock.a.b of python/penstock/a/b.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(p): p for p in with_suffix({".py"}, PACKAGE) if GENERATED not in p.parents}


def imports(name: str) -> Iterator[Import]:
    """Every module that this one imports, also inside functions and for type checkers only."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]

    def walk(node: ast.AST, typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, typing_only) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parents = package.split(".")[: len(package.split(".")) - child.level + 1]
                    base = ".".join([*parents, *([base] if base else [])])
                yield from ((target(base, alias.name), typing_only) for alias in child.names)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from walk(ast.Module(child.body, []), True)
                yield from walk(ast.Module(child.orelse, []), typing_only)
            else:
                yield from walk(child, typing_only)

    return walk(tree(MODULES[name]), False)


def target(base: str, name: str) -> str:
    """The module that `from base import name` reads: a module of ours, or the base itself."""
    full = f"{base}.{name}"
    return full if full in MODULES or full == "penstock._engine" else base


def is_inside(name: str, package: str) -> bool:
    """Is it the package, or in it?"""
    return name == package or name.startswith(package + ".")


def room_of(name: str) -> str:
    """The room of a module of penstock; "" for the package itself."""
    return name.split(".")[1] if "." in name else ""


def closure(room: str) -> set[str]:
    """The room and all below it."""
    found = {room}
    for below in BELOW[room]:
        found |= closure(below)
    return found


def own_imports(name: str) -> Iterator[str]:
    """The modules of penstock that this one imports."""
    return (module for module, _ in imports(name) if is_inside(module, "penstock"))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_downwards(name: str) -> None:
    room = room_of(name)
    assert room == "" or room in BELOW, f"a new room: say in BELOW what {room} may import"
    for module in own_imports(name):
        other = room_of(module)
        if other == "_engine":
            assert room in ENGINE_USERS, f"{name} may not import the engine"
        elif other:  # penstock itself holds the version, which all may read
            assert room and other in closure(room), f"{name} may not import {module}"


@pytest.mark.parametrize("name", [n for n in sorted(MODULES) if is_inside(n, "penstock.frontends")])
def test_frontends_are_strangers(name: str) -> None:
    doors = ("http", "grpc", "metrics")
    mine = name.split(".")[2] if name.count(".") > 1 else ""
    for module in own_imports(name):
        theirs = module.split(".")[2] if module.count(".") > 1 else ""
        if is_inside(module, "penstock.frontends") and theirs in doors:
            assert mine in ("", theirs), f"{name} may not import {module}"


@pytest.mark.parametrize("name", [n for n in sorted(MODULES) if n.startswith("penstock.backends.")])
def test_backends_are_strangers(name: str) -> None:
    mine = name.split(".")[2]
    for module in own_imports(name):
        if is_inside(module, "penstock.backends") and module.count(".") > 1:
            theirs = module.split(".")[2]
            assert theirs in {mine, *SHARED_BY_BACKENDS}, f"{name} may not import {module}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_outside_libraries_stay_in_their_place(name: str) -> None:
    for module, _ in imports(name):
        top = module.split(".")[0]
        if top in FRAMEWORKS:
            assert is_inside(name, FRAMEWORKS[top]), f"only {FRAMEWORKS[top]} imports {top}"
        if top in TRANSPORTS:
            allowed = TRANSPORTS[top]
            assert any(is_inside(name, place) for place in allowed), f"{name} imports {top}"


def test_no_import_cycle() -> None:
    graph = {
        name: {
            module
            for module, typing_only in imports(name)
            if module in MODULES and module != name and not typing_only
        }
        for name in MODULES
    }
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError with the cycle
