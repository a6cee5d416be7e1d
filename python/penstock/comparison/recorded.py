# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Inputs from files: .npz archives of arrays, and bodies of v2 requests as JSON."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.comparison.errors import ComparisonError
from penstock.comparison.tensors import Tensor, from_json, tensor_of

_SUFFIXES: Final = (".npz", ".json")

Request = dict[str, Tensor]


def read_recorded(paths: Iterable[Path]) -> Iterator[tuple[str, Request]]:
    """Where each request comes from, and its tensors by the names that the file has.

    A directory is its .npz and .json files, by name. Raises ComparisonError.
    """
    for path in paths:
        files = [path]
        if path.is_dir():
            files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
            if not files:
                raise ComparisonError(f"{path} has no .npz and no .json files")
        for file in files:
            yield from _read_file(file)


def _read_file(path: Path) -> Iterator[tuple[str, Request]]:
    if path.suffix not in _SUFFIXES:
        raise ComparisonError(f"{path}: inputs come from .npz and .json files")
    try:
        requests = _read_npz(path) if path.suffix == ".npz" else _read_json(path)
    except OSError as error:
        raise ComparisonError(f"{path} cannot be read: {error.strerror or error}") from None
    except ComparisonError as error:
        raise ComparisonError(f"{path}: {error}") from None
    for number, request in enumerate(requests):
        yield (str(path) if len(requests) == 1 else f"{path}[{number}]", request)


def _read_npz(path: Path) -> list[Request]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        cure = "save strings as an array of dtype S or U" if "pickle" in str(error) else str(error)
        raise ComparisonError(f"not an .npz archive of plain arrays: {cure}") from None
    return [{name: tensor_of(name, array) for name, array in arrays.items()}]


def _read_json(path: Path) -> list[Request]:
    """One body, a list of them, or {"requests": [...]}."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ComparisonError(f"not JSON: {error}") from None
    if isinstance(content, dict) and "requests" in content:
        content = content["requests"]
    bodies = content if isinstance(content, list) else [content]
    if not bodies:
        raise ComparisonError("there is no request in it")
    return [_request(body) for body in bodies]


def _request(body: Any) -> Request:
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise ComparisonError('not the body of a v2 request: {"inputs": [{"name", ...}, ...]}')
    tensors = [_tensor(each) for each in inputs]
    return {tensor.name: tensor for tensor in tensors}


def _tensor(given: Mapping[str, Any]) -> Tensor:
    name, datatype, shape = (given.get(key) for key in ("name", "datatype", "shape"))
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise ComparisonError("an input lacks its name or its datatype")
    if not isinstance(shape, list) or not all(type(dim) is int and dim >= 0 for dim in shape):
        raise ComparisonError(f"input '{name}' has no shape, a list of integers")
    if "data" not in given:
        raise ComparisonError(f"input '{name}' has no data: only JSON tensors can be read")
    return from_json(name, datatype, shape, given["data"])
