# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Data types and BYTES serialisation of the `model.py` API (contract 5.1, helpers)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from penstock import _engine
from penstock.types import NUMPY_DTYPES, DataType

#: "TYPE_FP32" -> numpy scalar type; TYPE_BOOL is Python's bool, as in Triton.
TRITON_STRING_TO_NUMPY: Final[dict[str, Any]] = {
    data_type.config_name: bool if data_type is DataType.BOOL else dtype
    for data_type, dtype in NUMPY_DTYPES.items()
}

#: numpy's type number -> data type. Both C types of 64 bits (`long`, `long long`) have an entry.
TYPE_NUMBERS: Final[dict[int, int]] = {
    **{np.dtype(dtype).num: int(data_type) for data_type, dtype in NUMPY_DTYPES.items()},
    np.dtype(np.longlong).num: int(DataType.INT64),
    np.dtype(np.ulonglong).num: int(DataType.UINT64),
    np.dtype(np.bytes_).num: int(DataType.BYTES),
}


def triton_string_to_numpy(triton_type_string: str) -> Any:
    """The numpy type of "TYPE_FP32" and the like; KeyError for a name that numpy has not."""
    return TRITON_STRING_TO_NUMPY[triton_type_string]


def triton_to_numpy_type(data_type: int) -> Any:
    """The numpy scalar type of a data type's number; None when numpy has not got it."""
    try:
        return NUMPY_DTYPES.get(DataType(data_type))
    except ValueError:
        return None


def numpy_to_triton_type(data_type: npt.DTypeLike) -> int | None:
    """The data type's number of a numpy dtype; None when the protocol has not got it."""
    try:
        return TYPE_NUMBERS.get(np.dtype(data_type).num)
    except TypeError:
        return None


def serialize_byte_tensor(input_tensor: npt.NDArray[Any]) -> bytes | tuple[()] | None:
    """Elements in C order, each a little-endian uint32 length and its bytes.

    Takes dtype object (bytes, or anything that str() makes into UTF-8) or numpy bytes; () for an
    empty array, None for another dtype, as in Triton.
    """
    if input_tensor.size == 0:
        return ()
    if input_tensor.dtype.kind not in "OS":
        return None
    return _engine.serialize_bytes(np.ascontiguousarray(input_tensor, dtype=np.object_))


def deserialize_bytes_tensor(encoded_tensor: Any) -> npt.NDArray[np.object_]:
    """The inverse of `serialize_byte_tensor`: a flat object array of `bytes`."""
    return _engine.deserialize_bytes(encoded_tensor)
