# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The interpreter of an environment: which one it is, and how it becomes a worker.

Penstock's extension is compiled for one version of Python. An interpreter of the server's version
borrows the server's Penstock; another one needs a Penstock of its own, the same as the server's.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock import __version__
from penstock.errors import InvalidArgError
from penstock.serving.workers import start
from penstock.serving.workers.process import Program, changed

#: What a worker needs besides the standard library. The environment's own go first but for
#: Penstock; protobuf and its compiled half belong together.
_LENT: Final = ("penstock", "numpy", "google.protobuf", "google._upb", "prometheus_client")
_QUESTION: Final = """
import importlib.machinery, json, sys
try:
    import penstock
    version = penstock.__version__
except Exception:
    version = ""
try:
    from importlib.metadata import version as version_of
    protobuf = version_of("protobuf")
except Exception:
    protobuf = ""
suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
print(json.dumps([".".join(map(str, sys.version_info[:3])), suffix, version, protobuf]))
"""
#: An older protobuf has not what Penstock needs.
_MIN_PROTOBUF: Final = (4, 22)
_ANSWER_S: Final = 60.0
#: Of the one who started the server; they would lead into its own packages.
_REMOVED: Final = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONEXECUTABLE")


@dataclass(frozen=True)
class Interpreter:
    """What a program said when it was asked."""

    path: Path
    version: str
    #: of extension modules: `.cpython-311-x86_64-linux-gnu.so`
    suffix: str
    #: the versions of its own Penstock and protobuf; "": it has none
    penstock: str = ""
    protobuf: str = ""


def environment_changes(prefix: Path) -> dict[str, str | None]:
    """What makes an environment the active one, for a process that is started in it."""
    changes: dict[str, str | None] = dict.fromkeys(_REMOVED)
    changes["PYTHONNOUSERSITE"] = "1"
    changes["PATH"] = os.pathsep.join((str(prefix / "bin"), os.environ.get("PATH", os.defpath)))
    kind = "CONDA_PREFIX" if (prefix / "conda-meta").is_dir() else "VIRTUAL_ENV"
    return changes | {kind: str(prefix)}


def find_interpreter(prefix: Path) -> Interpreter:
    """That of an environment. Raises InvalidArgError when there is none, or it does not work."""
    path = prefix / "bin" / "python"
    if not path.exists():
        raise InvalidArgError(f"there is no interpreter '{path}'")
    if not os.access(path, os.X_OK):
        raise InvalidArgError(f"the interpreter '{path}' is not executable: chmod +x")
    try:
        answer = subprocess.run(  # noqa: S603  no shell
            [path, "-E", "-s", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env=changed(os.environ, environment_changes(prefix)),
            timeout=_ANSWER_S,
        )
        found = Interpreter(path, *map(str, json.loads(answer.stdout.splitlines()[-1])))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidArgError(f"the interpreter '{path}' does not run: {error}") from None
    except (ValueError, TypeError, IndexError):
        last = answer.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:500]
        raise InvalidArgError(
            f"the interpreter '{path}' does not say which Python it is: it ended with code "
            f"{answer.returncode}, {last or 'and said nothing'}"
        ) from None
    if found.protobuf and _release(found.protobuf) < _MIN_PROTOBUF:
        least = ".".join(map(str, _MIN_PROTOBUF))
        raise InvalidArgError(
            f"it has protobuf {found.protobuf}, and a worker needs {least} or newer: upgrade it "
            f"there, or remove it, and the server's is used"
        )
    return found


def worker_program(interpreter: Interpreter, prefix: Path) -> Program:
    """How it is started as a worker. Raises InvalidArgError when it cannot be one."""
    borrows = interpreter.suffix == importlib.machinery.EXTENSION_SUFFIXES[0]
    if not borrows and interpreter.penstock != __version__:
        raise InvalidArgError(_stranger(interpreter))
    lent = lent_packages() if borrows else {}
    program = Path(start.__file__)
    command = (str(interpreter.path), "-P", "-s", str(program), json.dumps(lent))
    return Program(command, environment_changes(prefix))


@functools.cache
def lent_packages() -> dict[str, tuple[str | None, list[str]]]:
    """Name -> file and folders, of what the server lends its workers."""
    found = {}
    for name in _LENT:
        spec = importlib.util.find_spec(name)
        if spec is not None:
            file = spec.origin if spec.origin and os.path.isfile(spec.origin) else None
            found[name] = (file, list(spec.submodule_search_locations or ()))
    return found


def _stranger(interpreter: Interpreter) -> str:
    """Why an interpreter of another version cannot be a worker, and the cure."""
    own = ".".join(map(str, sys.version_info[:3]))
    theirs = f"it has Python {interpreter.version} ({_tag(interpreter.suffix)})"
    ours = f"the server Python {own} ({_tag(importlib.machinery.EXTENSION_SUFFIXES[0])})"
    has = f"Penstock {interpreter.penstock}" if interpreter.penstock else "no Penstock"
    return (
        f"{theirs} and {has}, {ours} and Penstock {__version__}: another Python needs a Penstock "
        f"of its own, of the same version. Install it there ('{interpreter.path} -m pip install "
        f"penstock=={__version__}'; Python 3.11 or newer), or make the environment with Python "
        f"{own.rpartition('.')[0]}"
    )


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))


def _tag(suffix: str) -> str:
    return suffix.strip(".").removesuffix(".so")
