# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Weights that all instances of a model share: files that are mapped, not read.

    from penstock.weights import map_weights

    class TritonPythonModel:
        def initialize(self, args):
            folder = Path(args["model_repository"]) / args["model_version"]
            self.weights = map_weights(folder / "model.safetensors")

Instances of a Python model are processes. What they read into memory is there once each; what
they map is there once, in the kernel's page cache, however many they are, and is read from the disk
when it is first used.

A file that is mapped must not be written to: put a new one in its place by renaming it.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: safetensors' own bound of a header.
_MAX_HEADER_BYTES: Final = 100_000_000
_MAX_RANK: Final = 32  # numpy has no more in its older versions
#: What numpy has not is given as unsigned integers of the same size, to be viewed as what it is.
_DTYPES: Final[Mapping[str, str]] = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "F8_E4M3": "u1",
    "F8_E5M2": "u1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "BF16": "<u2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}


class WeightsError(ValueError):
    """Which file cannot be mapped, and why."""


def map_weights(path: Path | str, *, copy_on_write: bool = False) -> dict[str, Array]:
    """Arrays by name, on the bytes of a .safetensors file, or of a folder's .npy files.

    BF16 comes as uint16 and the 8-bit floats as uint8: numpy has neither. The arrays of a folder
    have the names of its files.

    They are read-only. With `copy_on_write` they can be written to, which copies the pages that are
    written, for this process alone; PyTorch wants such ones.

    Raises WeightsError, and OSError for what cannot be opened.
    """
    path = Path(path)
    if path.is_dir():
        return _map_folder(path, copy_on_write)
    return _map_safetensors(path, copy_on_write)


def _map_folder(folder: Path, copy_on_write: bool) -> dict[str, Array]:
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        raise WeightsError(f"there are no .npy files in '{folder}'")
    mode: Any = "c" if copy_on_write else "r"
    arrays = {}
    for path in paths:
        try:
            arrays[path.stem] = np.load(path, mmap_mode=mode, allow_pickle=False).view(np.ndarray)
        except (ValueError, EOFError) as error:
            raise WeightsError(f"'{path}' is not a complete .npy file: {error}") from None
    return arrays


def _map_safetensors(path: Path, copy_on_write: bool) -> dict[str, Array]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        header_bytes = int.from_bytes(file.read(8), "little")
        start = 8 + header_bytes
        if size < 8 or header_bytes > _MAX_HEADER_BYTES or start > size:
            raise WeightsError(
                f"'{path}' is not a safetensors file, or not a whole one: its header would have "
                f"{header_bytes} bytes, the file has {size}"
            )
        header = _header(path, file.read(header_bytes))
        access = mmap.ACCESS_COPY if copy_on_write else mmap.ACCESS_READ
        mapping = mmap.mmap(file.fileno(), 0, access=access)
    data = memoryview(mapping)[start:size]
    return {
        name: _array(path, name, entry, data)
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"the header of '{path}' is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise WeightsError(f"the header of '{path}' is not a JSON object")
    return header


def _array(path: Path, name: str, entry: Any, data: memoryview) -> Array:
    """Its place is checked against the file, and its size against its shape."""
    where = f"tensor '{name}' of '{path}'"
    if not isinstance(entry, dict):
        raise WeightsError(f"{where} is not described by a JSON object")
    dtype = _DTYPES.get(str(entry.get("dtype")))
    if dtype is None:
        raise WeightsError(f"{where} has dtype {entry.get('dtype')}, which is not one of ours")
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not _are_sizes(shape) or len(shape) > _MAX_RANK:
        raise WeightsError(f"{where} has no shape: {shape}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise WeightsError(f"{where} has no place: data_offsets {offsets}")
    begin, end = offsets
    if not begin <= end <= len(data):
        raise WeightsError(
            f"{where} is at {begin} to {end} of {len(data)} bytes: the file is not complete"
        )
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if end - begin != size:
        raise WeightsError(f"{where} has {end - begin} bytes, its shape {shape} takes {size}")
    try:
        return np.frombuffer(data[begin:end], dtype).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise WeightsError(f"{where} has a shape that no array has: {error}") from None


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
