# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Real Triton, from PyPI's nvidia-pytriton: unpacked aside, and started on its own on the CPU.

The package carries the server (2.51) and its Python back end; a native identity back end for it is
compiled from identity_backend.cc. Nothing of it goes into Penstock's environment or repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load.rounds import Target
from benchmarks.processes import ROOT, Server, free_ports

PACKAGE = "nvidia-pytriton==0.7.0"
#: What the package itself asks for: its Python stub misreads arrays of numpy 2.
NUMPY = "numpy>=1.21,<2"

_HOME = ROOT / ".cache" / "rivals" / PACKAGE.replace("==", "-")
_WHEEL = _HOME / "wheel"
_BACKENDS = _HOME / "backends"
_SERVER = _WHEEL / "pytriton" / "tritonserver"
_LIBRARIES = _WHEEL / "nvidia_pytriton.libs"


def install() -> None:
    """Fetches and compiles what is missing. Raises RuntimeError with the command that failed."""
    if not (_SERVER / "bin" / "tritonserver").exists():
        _pip(_WHEEL, "--no-deps", PACKAGE)
    _install_python_backend(_BACKENDS / "python")
    _compile_identity(_BACKENDS / "identity" / "libtriton_identity.so")


def _install_python_backend(folder: Path) -> None:
    """The stub of the running Python must lie beside the back end, and so must its numpy."""
    if (folder / "numpy").exists():
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = _SERVER / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise RuntimeError(f"{PACKAGE} has no Python back end for Python {version}")
    shutil.copytree(_SERVER / "backends" / "python", folder, dirs_exist_ok=True)
    shutil.copy2(stub, folder)
    _pip(folder, NUMPY)


def _compile_identity(library: Path) -> None:
    source = Path(__file__).with_name("identity_backend.cc")
    if library.exists() and library.stat().st_mtime > source.stat().st_mtime:
        return
    library.parent.mkdir(parents=True, exist_ok=True)
    flags = ("-O2", "-std=c++20", "-shared", "-fPIC", "-fvisibility=hidden")
    _call("g++", *flags, "-o", str(library), str(source))


def _pip(target: Path, *what: str) -> None:
    _call(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), *what)


def _call(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}")


def start_triton(*repositories: Path, options: Sequence[str] = ()) -> Target:
    """Triton with its defaults (its metrics included, as ours are) on the repositories."""
    install()
    http, grpc, metrics = free_ports(3)
    command = [
        str(_SERVER / "bin" / "tritonserver"),
        *(f"--model-repository={repository}" for repository in repositories),
        f"--backend-directory={_BACKENDS}",
        *("--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"),
        f"--http-port={http}",
        f"--grpc-port={grpc}",
        f"--metrics-port={metrics}",
        *options,
    ]
    # The stub would take the numpy of a virtual environment that comes first on the PATH.
    paths = {"LD_LIBRARY_PATH": str(_LIBRARIES), "PATH": os.defpath}
    server = Server("triton", command, env={**os.environ, **paths})
    try:
        server.wait_ready(f"http://127.0.0.1:{http}/v2/health/ready")
    except BaseException:
        server.stop()
        raise
    return Target("Triton", server, http, grpc)
