# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""PyTorch's types of elements and the protocol's."""

from __future__ import annotations

from typing import Final

import torch

from penstock.types import DataType

#: Every data type but BYTES; TorchScript alone has strings, and not as tensors.
TORCH_TYPES: Final[dict[DataType, torch.dtype]] = {
    DataType.BOOL: torch.bool,
    DataType.UINT8: torch.uint8,
    DataType.UINT16: torch.uint16,
    DataType.UINT32: torch.uint32,
    DataType.UINT64: torch.uint64,
    DataType.INT8: torch.int8,
    DataType.INT16: torch.int16,
    DataType.INT32: torch.int32,
    DataType.INT64: torch.int64,
    DataType.FP16: torch.float16,
    DataType.FP32: torch.float32,
    DataType.FP64: torch.float64,
    DataType.BF16: torch.bfloat16,
}
_DATA_TYPES: Final = {dtype: data_type for data_type, dtype in TORCH_TYPES.items()}


def data_type_of(dtype: torch.dtype) -> DataType:
    """INVALID for what the protocol cannot carry, such as complex numbers."""
    return _DATA_TYPES.get(dtype, DataType.INVALID)
