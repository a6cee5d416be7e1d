# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Named arrays, their bytes in a request, and the conversions between data types.

In an array BYTES are objects of type `bytes`, and BF16, which numpy has not, is float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from penstock._engine import deserialize_bytes, serialize_bytes
from penstock.comparison.errors import ComparisonError
from penstock.types import NUMPY_DTYPES, DataType

Array = npt.NDArray[Any]

FLOATS: Final = frozenset({"FP16", "BF16", "FP32", "FP64"})
INTEGERS: Final = frozenset(
    {"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
)
_DTYPES: Final = {type_.name: np.dtype(dtype) for type_, dtype in NUMPY_DTYPES.items()}
_DTYPES["BF16"] = np.dtype(np.float32)
_NAMES: Final = {dtype: name for name, dtype in _DTYPES.items() if name != "BF16"}
assert len(_DTYPES) == len(DataType) - 1  # all but INVALID


@dataclass(frozen=True)
class Tensor:
    """An array with the protocol's name of its data type; its shape has the batch dimension."""

    name: str
    datatype: str
    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.array.shape


def dtype_of(datatype: str) -> np.dtype[Any]:
    """The dtype of arrays of this data type. Raises ComparisonError for an unknown one."""
    try:
        return _DTYPES[datatype]
    except KeyError:
        raise ComparisonError(
            f"'{datatype}' is not a data type of the protocol: {', '.join(sorted(_DTYPES))}"
        ) from None


def tensor_of(name: str, array: Array) -> Tensor:
    """A tensor of the data type that the array has. Raises ComparisonError."""
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8").astype(object)
    elif array.dtype.kind == "S":
        array = array.astype(object)
    datatype = _NAMES.get(array.dtype.newbyteorder("="))
    if datatype is None:
        raise ComparisonError(f"'{name}': the protocol has no data type for {array.dtype}")
    return Tensor(name, datatype, array.astype(_DTYPES[datatype], copy=False))


def to_bytes(tensor: Tensor) -> bytes:
    """The raw bytes of a request (contract 1.6)."""
    if tensor.datatype == "BYTES":
        return serialize_bytes(tensor.array)
    if tensor.datatype == "BF16":
        return _round_to_bf16(tensor.array).tobytes()
    return np.ascontiguousarray(tensor.array).tobytes()


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: bytes) -> Tensor:
    """The tensor of a response. Raises ComparisonError when the bytes do not fit its shape."""
    dtype, count = dtype_of(datatype), math.prod(shape)
    if datatype == "BYTES":
        return Tensor(name, datatype, deserialize_bytes(data, count).reshape(tuple(shape)))
    stored = np.dtype(np.uint16) if datatype == "BF16" else dtype
    if len(data) != count * stored.itemsize:
        raise ComparisonError(
            f"the server sent {len(data)} bytes for output '{name}', "
            f"{datatype} of shape {list(shape)} has {count * stored.itemsize}"
        )
    array = np.frombuffer(data, stored).reshape(tuple(shape))
    if datatype == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return Tensor(name, datatype, array)


def from_json(name: str, datatype: str, shape: Sequence[int], data: Any) -> Tensor:
    """The tensor of JSON values, flat or lists in lists. Raises ComparisonError."""
    dtype, values = dtype_of(datatype), _flat(data)
    if len(values) != math.prod(shape):
        raise ComparisonError(
            f"'{name}' has {len(values)} values, its shape {list(shape)} {math.prod(shape)}"
        )
    wanted: type | tuple[type, ...] = str if datatype == "BYTES" else bool
    if datatype in FLOATS:
        wanted = (int, float)
    elif datatype in INTEGERS:
        wanted = int
    for value in values:
        if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
            raise ComparisonError(f"'{name}' is {datatype} and cannot take {value!r}")
    if datatype == "BYTES":
        values = [value.encode() for value in values]
    try:
        return Tensor(name, datatype, np.array(values, dtype).reshape(tuple(shape)))
    except OverflowError:
        raise ComparisonError(f"'{name}' is {datatype}, its values do not fit") from None


def cast(tensor: Tensor, name: str, datatype: str) -> Tensor:
    """The same values under another name and data type. Raises ComparisonError when they differ.

    Floats become floats, integers integers; what does not fit is refused.
    """
    if datatype == tensor.datatype:
        return Tensor(name, datatype, tensor.array)
    kinds = (FLOATS, INTEGERS)
    if not any(tensor.datatype in kind and datatype in kind for kind in kinds):
        raise ComparisonError(
            f"input '{name}' is {datatype} and cannot take {tensor.datatype} values"
        )
    source, dtype = tensor.array, dtype_of(datatype)
    if datatype in INTEGERS and source.size:
        limits = np.iinfo(dtype)
        if int(source.min()) < limits.min or int(source.max()) > limits.max:
            raise ComparisonError(f"input '{name}' is {datatype}, its values do not fit")
    with np.errstate(over="ignore"):
        array = source.astype(dtype)
    if datatype in FLOATS and bool(np.any(np.isinf(array) & np.isfinite(source))):
        raise ComparisonError(f"input '{name}' is {datatype}, its values do not fit")
    return Tensor(name, datatype, array)


def _round_to_bf16(array: Array) -> npt.NDArray[np.uint16]:
    """The upper halves, rounded to nearest even; NaN stays NaN."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(array), 0x7FC0, rounded).astype(np.uint16)


def _flat(data: Any) -> list[Any]:
    """The values, row by row."""
    values = data if isinstance(data, list) else [data]
    while any(isinstance(each, list) for each in values):
        values = [
            inner for each in values for inner in (each if isinstance(each, list) else [each])
        ]
    return values
