# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`Tensor` of the `model.py` API: a named array, of numpy or of the wire (contract 5.1)."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from penstock import _engine
from penstock.devices.runtime import cuda_runtime_libraries
from penstock.errors import ServerError
from penstock.types import DataType

from .dtypes import TYPE_NUMBERS
from .errors import TritonModelException
from .text import Text, text_of

Array = npt.NDArray[Any]
Device = tuple[int, int]

_HOST: Final[Device] = (1, 0)
_DLPACK_CUDA: Final = 2


@_engine.called_quickly
class Tensor(_engine.ModelTensor):
    """A name and a C-contiguous array; strings are object arrays of `bytes`.

    The array of an input is the model's own: it may be written to, as in Triton. It is made at the
    first `as_numpy`, by one copy of the received bytes; DLPack gives the bytes themselves.
    """

    __slots__ = ()

    @staticmethod
    def from_dlpack(name: Text, tensor: Any) -> Tensor:
        """A C-contiguous tensor of any DLPack producer, or a capsule of one, without a copy.

        One in a GPU's memory is copied to the host's when it is answered with.
        """
        name = _checked_name(name)
        try:
            kind, device = _device_of(tensor)
            if kind == _DLPACK_CUDA:
                _open_cuda()
                received = _engine.tensor_from_gpu(tensor, device)
            else:  # a capsule's device is in it
                received = _engine.tensor_from_dlpack(tensor, on_device=True)
                if received.__dlpack_device__()[0] == _DLPACK_CUDA:
                    _open_cuda()
        except (ServerError, BufferError) as error:
            raise TritonModelException(f"tensor '{name}': {error}") from None
        return _engine.model_tensor(Tensor, name, received, foreign=True)

    def is_cpu(self) -> bool:
        """Whether the data is in host memory."""
        return self.__dlpack_device__()[0] != _DLPACK_CUDA

    def to_dlpack(self) -> Any:
        """A DLPack capsule of the data, without a copy. Strings have none."""
        return self.__dlpack__()

    def __dlpack__(self, *, stream: Any = None, **kwargs: Any) -> Any:
        if self.triton_dtype() == DataType.BYTES:
            raise TritonModelException("DLPack does not have support for string tensors.")
        return self._source.__dlpack__(stream=stream, **kwargs)

    def __dlpack_device__(self) -> Device:
        return self._source.__dlpack_device__()

    def _checked(self, name: Text, numpy_array: Array) -> tuple[str, Array]:
        name = _checked_name(name)
        if not isinstance(numpy_array, np.ndarray):
            raise TypeError(
                f"tensor '{name}' must be made from a numpy array, found {type(numpy_array)}"
            )
        dtype = numpy_array.dtype
        if dtype.num not in TYPE_NUMBERS:
            raise TritonModelException(
                f"Tensor dtype used for numpy_array is not support by Python backend: tensor "
                f"'{name}' has dtype {dtype}."
                + (" Please use np.object_ instead." if dtype.kind == "U" else "")
            )
        if dtype.kind == "S":
            numpy_array = numpy_array.astype(np.object_)
        elif not dtype.isnative:
            numpy_array = numpy_array.astype(dtype.newbyteorder("="))
        return name, np.ascontiguousarray(numpy_array).reshape(numpy_array.shape)

    def _unpacked(self, received: _engine.Tensor) -> Array:
        try:
            return received.numpy()
        except ServerError as error:
            raise TritonModelException(error.message) from None


def _device_of(tensor: Any) -> Device:
    """The host for a capsule, whose device only the engine reads."""
    if type(tensor).__name__ == "PyCapsule":
        return _HOST
    if not hasattr(tensor, "__dlpack__") or not hasattr(tensor, "__dlpack_device__"):
        raise TritonModelException(
            "Provided tensor is not supported. Tensor must be a DLPack capsule or have "
            "`__dlpack__` and `__dlpack_device__` attributes"
        )
    device: Device = tensor.__dlpack_device__()
    return device


@functools.cache
def _open_cuda() -> None:
    _engine.open_cuda(cuda_runtime_libraries())


def _checked_name(name: Text) -> str:
    name = text_of(name, "a tensor's name")
    if not name:
        raise TritonModelException("Tensor name cannot be an empty string.")
    return name
