# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Neutral data shared by all rooms: data types and their numpy counterparts."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt


class DataType(enum.IntEnum):
    """Values of the `DataType` enum of model_config.proto and of csrc's `DataType` (contract 2)."""

    INVALID = 0
    BOOL = 1
    UINT8 = 2
    UINT16 = 3
    UINT32 = 4
    UINT64 = 5
    INT8 = 6
    INT16 = 7
    INT32 = 8
    INT64 = 9
    FP16 = 10
    FP32 = 11
    FP64 = 12
    BYTES = 13
    BF16 = 14

    @property
    def config_name(self) -> str:
        """The name in config.pbtxt: TYPE_FP32, and TYPE_STRING for BYTES."""
        return "TYPE_STRING" if self is DataType.BYTES else f"TYPE_{self.name}"


#: numpy dtype of each data type; BYTES is an object array of `bytes`; BF16 has none.
NUMPY_DTYPES: dict[DataType, npt.DTypeLike] = {
    DataType.BOOL: np.bool_,
    DataType.UINT8: np.uint8,
    DataType.UINT16: np.uint16,
    DataType.UINT32: np.uint32,
    DataType.UINT64: np.uint64,
    DataType.INT8: np.int8,
    DataType.INT16: np.int16,
    DataType.INT32: np.int32,
    DataType.INT64: np.int64,
    DataType.FP16: np.float16,
    DataType.FP32: np.float32,
    DataType.FP64: np.float64,
    DataType.BYTES: np.object_,
}
