# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A manifest says when a model is complete: who copies a model writes it last, or first.

`<model>/penstock-manifest.json`:

    {"files": {"config.pbtxt": {"size": 120}, "1/model.onnx": {"size": 9, "sha256": "..."}}}

A model with one is loaded as soon as all its files are there, and not before.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from penstock.models.tree import Tree

MANIFEST = "penstock-manifest.json"
_MAX_BYTES = 16 << 20


def missing_from(tree: Tree) -> str | None:
    """What the model still lacks by its manifest; "" when it is complete; None without one.

    Files that the manifest does not name do not matter.
    """
    stamp = tree.files.get(MANIFEST)
    if stamp is None or tree.root is None:
        return None
    try:
        listed = _read(tree.root / MANIFEST)
    except (OSError, ValueError, RecursionError) as error:
        return f"'{MANIFEST}' cannot be read: {error}"
    for path, wanted in listed.items():
        if reason := _missing(tree, path, wanted):
            return reason
    return ""


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES} bytes")
    listed = json.loads(data)
    files = listed.get("files") if isinstance(listed, dict) else None
    if not isinstance(files, dict) or not all(isinstance(f, dict) for f in files.values()):
        raise ValueError('expected {"files": {"<path>": {"size": <bytes>, "sha256": "<hex>"}}}')
    return files


def _missing(tree: Tree, path: str, wanted: dict[str, Any]) -> str:
    stamp = tree.files.get(path)
    if stamp is None:
        return f"'{path}' of its manifest is not there"
    if wanted.get("size", stamp.size) != stamp.size:
        return f"'{path}' has {stamp.size} bytes, its manifest says {wanted['size']}"
    if "sha256" in wanted and tree.root is not None:
        try:
            with (tree.root / path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return f"'{path}' of its manifest cannot be read: {error.strerror}"
        if digest != wanted["sha256"]:
            return f"'{path}' is not the file of its manifest: its SHA-256 is {digest}"
    return ""
