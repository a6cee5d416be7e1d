# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Repositories that are made for a measurement, and the control calls that change them."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.load.rounds import Target
from benchmarks.processes import WORK
from benchmarks.rivals.bench import MODELS

_CONFIG = (MODELS / "identity" / "config.pbtxt").read_text()
_TIMEOUT_S = 120


def fresh_repository(name: str) -> Path:
    """An empty folder."""
    root = WORK / "lifecycle" / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    return root


def write_identity(root: Path, name: str, version: int = 1) -> None:
    """A model that gives back what it gets."""
    (root / name / str(version)).mkdir(parents=True, exist_ok=True)
    config = root / name / "config.pbtxt"
    if not config.exists():
        config.write_text(_CONFIG.replace('name: "identity"', f'name: "{name}"'))


def call(target: Target, path: str, body: Any = None, *, port: int = 0) -> bytes:
    """One HTTP request. Raises RuntimeError with the server's words when it is refused."""
    data = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{port or target.http_port}/{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=_TIMEOUT_S) as reply:
            read: bytes = reply.read()
            return read
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{target.name}: {path}: {error.read()[:300]!r}") from None


def load(target: Target, model: str, *, anew: bool = False) -> None:
    """`anew`: whatever has changed, by a configuration in the request."""
    body: dict[str, Any] = {}
    if anew:
        tensor = {"data_type": "TYPE_FP32", "dims": [-1]}
        config = {
            "name": model,
            "backend": "identity",
            "max_batch_size": 64,
            "input": [{"name": "INPUT0"} | tensor],
            "output": [{"name": "OUTPUT0"} | tensor],
            "instance_group": [{"count": 1, "kind": "KIND_CPU"}],
        }
        body = {"parameters": {"config": json.dumps(config)}}
    call(target, f"v2/repository/models/{model}/load", body)


def unload(target: Target, model: str) -> None:
    call(target, f"v2/repository/models/{model}/unload", {})
