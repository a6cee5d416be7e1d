# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Starts a worker in the interpreter of an execution environment.

    python -P -s start.py <packages> <control> <memory> <parent>

Run by its path, and with nothing but the standard library: the environment need not have Penstock.
`packages` is a JSON object of what the server lends, name -> [file, folders]. Its `penstock` goes
before the environment's; all else after, so that the environment's own packages are taken where
there are any, and nothing else of the server's is ever found.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Any

Packages = Mapping[str, tuple[str | None, Sequence[str]]]


class Lender:
    """Finds exactly the packages that are lent, and what is in them."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As import has it; `path` is the environment's, and was searched without success."""
        if name in self._packages:
            file, folders = self._packages[name]
            if file is not None:
                return spec_from_file_location(name, file, submodule_search_locations=[*folders])
            return _namespace(name, folders)
        if any(lent.startswith(f"{name}.") for lent in self._packages):
            return _namespace(name, [])
        return None


def _namespace(name: str, folders: Sequence[str]) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [*folders]
    return spec


def lend(packages: Packages) -> None:
    """From now on they can be imported."""
    own = {name: place for name, place in packages.items() if name == "penstock"}
    finders: list[Any] = sys.meta_path
    finders.insert(0, Lender(own))
    finders.append(Lender({name: packages[name] for name in packages.keys() - own.keys()}))


def main(arguments: list[str]) -> None:
    """Never returns."""
    packages, *numbers = arguments
    lend(json.loads(packages))
    try:
        from penstock.serving.workers.main import main as serve
    except BaseException as error:  # a package of the environment may raise anything
        _fail(int(numbers[0]), f"{type(error).__name__}: {error}")
    serve(numbers)


def _fail(control_fd: int, why: str) -> None:
    """As `main` does, and with no module of Penstock's."""
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"the execution environment '{sys.prefix}' (Python {version}) cannot run a worker: {why}"
    data = json.dumps({"is": "failed", "message": text}).encode()
    socket.socket(fileno=control_fd).sendall(struct.pack("<I", len(data)) + data)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
