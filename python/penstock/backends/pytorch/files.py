# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Tells what a model file is without running anything in it, and refuses what needs pickle.

A pickle is a program: whoever writes the file chooses what the server runs. Here no pickle is ever
run. TorchScript has an unpickler of its own, for data only; weights are read with weights_only or
as safetensors; an exported program is searched for pickles before PyTorch opens it.
"""

from __future__ import annotations

import enum
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import torch

from penstock.backends.framework import load_failure
from penstock.backends.interface import ModelContext

#: for whatever holds a pickle; the first sentence says what
_NO_PICKLE: Final = (
    "Pickles can run any code and are never loaded. Save the model as TorchScript "
    "(torch.jit.script(model).save('model.pt')), by torch.export.save('model.pt2'), or as "
    "model.py with its weights in model.safetensors"
)
_LEGACY_PICKLES: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_PT2_FORMAT: Final = "archive_format"


class Kind(enum.Enum):
    """What a model file holds."""

    TORCHSCRIPT = "TorchScript"
    EXPORTED = "exported program"
    AOTI = "AOTInductor package"
    PICKLE = "pickle"
    SAFETENSORS = "safetensors"
    UNKNOWN = "unknown"


def kind_of(path: Path) -> Kind:
    """By what the file holds, not by its name. Raises OSError when it cannot be read."""
    if not zipfile.is_zipfile(path):
        return _kind_of_bytes(path)
    reader = _reader(path)
    if reader is None:
        return Kind.UNKNOWN
    names = set(reader.get_all_records())
    if _PT2_FORMAT in names:
        has_code = any(name.startswith("data/aotinductor/") for name in names)
        return Kind.AOTI if has_code else Kind.EXPORTED
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return Kind.TORCHSCRIPT
    return Kind.PICKLE if "data.pkl" in names else Kind.UNKNOWN


def refuse(context: ModelContext, path: Path, kind: Kind, wanted: str) -> Exception:
    """The error for a file that is not `wanted`, with the cure."""
    shown = context.shown_path(path)
    if kind is Kind.PICKLE:
        return load_failure(context, f"'{shown}' is a pickle. {_NO_PICKLE}")
    what = "a damaged or an unknown file" if kind is Kind.UNKNOWN else f"a {kind.value} file"
    return load_failure(context, f"'{shown}' is {what}, expected {wanted}")


def refuse_pickles(context: ModelContext, path: Path) -> None:
    """Raises InternalError when loading this archive of torch.export would run a pickle.

    PyTorch falls back from weights_only to a full unpickler here, so what it will read is tried
    first. The records are read by PyTorch's own reader: another one could see other records.
    """
    reader: Any = _reader(path)
    for name in reader.get_all_records():
        if name.startswith("data/") and name.endswith("_config.json"):
            found = _pickles_of_config(json.loads(reader.get_record(name)))
        elif name.endswith(".pt"):
            found = [] if _is_plain(reader.get_record(name)) else [name]
        else:
            found = []
        if found:
            shown = context.shown_path(path)
            raise load_failure(context, f"'{shown}' holds a pickle ('{found[0]}'). {_NO_PICKLE}")


def _reader(path: Path) -> Any | None:
    try:
        return torch._C.PyTorchFileReader(str(path))
    except RuntimeError:
        return None


def _kind_of_bytes(path: Path) -> Kind:
    with path.open("rb") as file:
        head = file.read(9)
    if head[:2] in _LEGACY_PICKLES:
        return Kind.PICKLE
    return Kind.SAFETENSORS if head[8:] == b"{" else Kind.UNKNOWN


def _pickles_of_config(config: dict[str, Any]) -> list[str]:
    """Weights or constants of an exported program that are stored as pickles."""
    return [
        str(key)
        for key, payload in config.get("config", {}).items()
        if payload.get("use_pickle") or str(payload.get("path_name")).startswith("opaque")
    ]


def _is_plain(record: bytes) -> bool:
    try:
        if record:
            torch.load(io.BytesIO(record), weights_only=True)
    except Exception:
        return False
    return True
