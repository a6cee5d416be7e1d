# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Imports `model.py` files so that models stay apart.

Every loaded version is a package of its own in sys.modules, whose path is the version's directory
and then the model's. What `model.py` or a module beside it imports is looked for first where every
Python program looks, then in that package: `import shared`, `from . import shared` and imports
inside `execute` all find the file beside `model.py`, and two models may each have a `shared.py`.
sys.path is never changed. Only a look-up by a bare name that does not go through an import
statement (`importlib.import_module("shared")`, a pickle of a class of `shared`) does not find it.

A process that has one model to itself, and said so by `have_process_alone()`, is as Triton's stub:
the folders end sys.path, version 1's `model.py` is the module `1.model`, and modules beside it have
their plain names. So look-ups of any kind find them, also in processes that the model spawns.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import linecache
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_PREFIX: Final = "penstock_model_"

_serial = itertools.count(1)
_alone = False
#: package -> its version's folder
_version_dirs: dict[str, Path] = {}


def have_process_alone() -> None:
    """Said once, before the one model of this process is imported."""
    global _alone
    _alone = True


def has_process_alone() -> bool:
    """Whether have_process_alone() was called."""
    return _alone


class ModelModule:
    """One import of a `model.py`, to be closed when the model is unloaded."""

    def __init__(
        self,
        path: Path,
        name: str,
        version: int,
        *directories: Path,
        version_dir: Path | None = None,
    ) -> None:
        """Executes the file. Whatever it raises comes through; nothing stays behind then.

        `directories`: where its own modules are, in place of the version's and the model's.
        `version_dir`: the version's folder, where that is not the file's.
        """
        folders = [*map(str, directories or (path.parent, path.parent.parent))]
        self.package = _package_of(path, name, version)
        if _alone:
            sys.path += folders
        _install_finder()
        package = ModuleType(self.package)
        package.__path__ = folders
        sys.modules[self.package] = package
        _version_dirs[self.package] = version_dir or path.parent
        try:
            self.module = self._execute(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forgets the modules of this package; what still runs in them goes on."""
        prefix = f"{self.package}."
        # A copy: other threads import meanwhile.
        for name in [key for key in list(sys.modules) if key.startswith(prefix)]:
            file = getattr(sys.modules.pop(name), "__file__", None)
            if file:
                linecache.cache.pop(file, None)
        sys.modules.pop(self.package, None)
        _version_dirs.pop(self.package, None)

    def _execute(self, path: Path) -> ModuleType:
        name = f"{self.package}.{path.stem}"
        loader = _ModelFileLoader(name, str(path))
        spec = ModuleSpec(name, loader, origin=str(path))
        spec.has_location = True
        module = module_from_spec(spec)
        sys.modules[name] = module
        loader.exec_module(module)
        return module


def version_dir_of(module: str) -> Path | None:
    """The folder of the version that a module belongs to; None when it belongs to none."""
    if _alone:
        return next(iter(_version_dirs.values()), None)
    return _version_dirs.get(module.partition(".")[0])


def _package_of(path: Path, name: str, version: int) -> str:
    # Only a number is no other package's name: a back end's folder is called as its library is.
    if _alone and path.parent.name.isdecimal():
        return path.parent.name
    label = re.sub(r"\W", "_", name)
    return f"{_PREFIX}{next(_serial)}_{label}_{version}"


class _ModelFileLoader(SourceFileLoader):
    """Source files of a model: compiled anew, since an edited file must not be a stale one."""

    def exec_module(self, module: ModuleType) -> None:
        if not _alone:
            package = module.__name__.partition(".")[0]
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(package)}
        super().exec_module(module)

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _ModelFinder(MetaPathFinder):
    """Finds the modules of the packages made here, and, alone, of the model's folders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        own = path is not None and fullname.startswith(_PREFIX)
        if not own and not _alone:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and (own or _is_own(spec)):
            spec.loader = _ModelFileLoader(spec.loader.name, spec.loader.path)
        return spec

    def invalidate_caches(self) -> None:
        """Nothing is kept."""


_finder: Final = _ModelFinder()


def _install_finder() -> None:
    if _finder not in sys.meta_path:
        # Built-in modules first: alone it stands for PathFinder.
        sys.meta_path.insert(sys.meta_path.index(PathFinder) if _alone else 0, _finder)


def _is_own(spec: ModuleSpec) -> bool:
    """Whether a module found on sys.path is one of the model's files."""
    file = Path(spec.origin or "")
    return any(file.is_relative_to(folder.parent) for folder in _version_dirs.values())


def _importer(package: str) -> Any:
    """The `__import__` of the modules of one package."""

    def import_(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level > 0 or not _is_private(package, top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        if fromlist:
            return builtins.__import__(f"{package}.{name}", globals, locals, fromlist, 0)
        importlib.import_module(f"{package}.{name}")
        return sys.modules[f"{package}.{top}"]

    return import_


def _is_private(package: str, top: str) -> bool:
    """Whether only the model itself has a module of that name."""
    if f"{package}.{top}" in sys.modules:
        return True
    if top in sys.modules or package not in sys.modules:
        return False
    try:
        if find_spec(top) is not None:
            return False
    except (ImportError, ValueError):
        return False
    return find_spec(f"{package}.{top}") is not None
