# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Arrays as OpenVINO's tensors, and back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import openvino as ov

from penstock._engine import tensor_from_numpy
from penstock.backends.framework import Array, Output
from penstock.errors import InvalidArgError
from penstock.types import DataType

#: OpenVINO takes strings from Python as a table with cells of the longest one's size
_MAX_STRING_TABLE_BYTES: Final = 256 * 1024 * 1024


class _Lent:
    """An array that OpenVINO may not write into but insists that it could.

    It reads inputs only; the memory is kept alive by whoever gave the array.
    """

    def __init__(self, array: Array) -> None:
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


def to_tensor(array: Array, data_type: DataType) -> Any:
    """An ov.Tensor on the array's memory, which must outlive it. Strings are copied."""
    if data_type is DataType.BYTES:
        return _string_tensor(array)
    if not array.flags.writeable:
        array = np.asarray(_Lent(array))
    if data_type is DataType.BF16:
        return ov.Tensor(array, ov.Shape(array.shape), ov.Type.bf16)
    return ov.Tensor(array, shared_memory=True)


def to_array(tensor: Any, data_type: DataType) -> Array:
    """A view of the tensor's memory; BF16 as its bits. Strings are copied."""
    if data_type is DataType.BYTES:
        return _string_array(tensor)
    array: Array = tensor.data
    return array.view(np.uint16) if data_type is DataType.BF16 else array


def to_output(array: Array, data_type: DataType) -> Output:
    """As the core takes it."""
    if data_type is DataType.BF16:
        return tensor_from_numpy(np.ascontiguousarray(array), DataType.BF16)
    return array


def _string_tensor(array: Array) -> Any:
    tensor = ov.Tensor(ov.Type.string, ov.Shape(array.shape))
    if array.size == 0:
        return tensor
    strings: list[bytes] = array.ravel().tolist()
    if any(string.endswith(b"\0") for string in strings):
        raise InvalidArgError("OpenVINO cannot take strings that end with a zero byte")
    width = max(1, max(map(len, strings)))
    if width * len(strings) > _MAX_STRING_TABLE_BYTES:
        raise InvalidArgError(
            f"OpenVINO cannot take {len(strings)} strings of which one has {width} bytes: together "
            f"they would need more than {_MAX_STRING_TABLE_BYTES} bytes"
        )
    tensor.bytes_data = np.array(strings, f"S{width}").reshape(array.shape)
    return tensor


def _string_array(tensor: Any) -> Array:
    """What is read as bytes is garbage where there is nothing to read (OpenVINO 2026.4)."""
    shape = tuple(tensor.shape)
    if 0 in shape:
        return np.empty(shape, object)
    if not any(tensor.str_data.ravel()):
        return np.full(shape, b"", object)
    return np.asarray(tensor.bytes_data).astype(object)
