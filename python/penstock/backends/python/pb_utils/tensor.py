# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`Tensor` of the `model.py` API: a named array, of numpy or of the wire (contract 5.1)."""

from __future__ import annotations

from sys import getrefcount
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from penstock import _engine
from penstock.errors import ServerError
from penstock.types import DataType

from .dtypes import TYPE_NUMBERS
from .errors import TritonModelException

Array = npt.NDArray[Any]
Device = tuple[int, int]

_HOST: Final[Device] = (1, 0)
_DLPACK_CUDA: Final = 2

#: Up to here a copy costs less than finding out whether one is needed.
_ALWAYS_COPY_BYTES: Final = 2048


class Tensor:
    """A name and a C-contiguous array; strings are object arrays of `bytes`.

    The array of an input is the model's own: it may be written to, as in Triton. It is made at the
    first `as_numpy`, by one copy of the received bytes; DLPack gives the bytes themselves.
    """

    __slots__ = ("_array", "_foreign", "_name", "_tensor")

    def __init__(self, name: str, numpy_array: Array) -> None:
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
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
        if not numpy_array.flags.c_contiguous:
            numpy_array = np.ascontiguousarray(numpy_array)
        self._name = name
        self._array: Any = numpy_array  # one of the two is there
        self._tensor: Any = None
        self._foreign = False

    @classmethod
    def from_wire(cls, name: str, tensor: _engine.Tensor) -> Tensor:
        """An input: received bytes that nobody writes to."""
        self = cls.__new__(cls)
        self._name = name
        self._array = None
        self._tensor = tensor
        self._foreign = False
        return self

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        """A C-contiguous tensor of any DLPack producer, or a capsule of one, without a copy."""
        if not name:
            raise TritonModelException("Tensor name cannot be an empty string.")
        try:
            self = Tensor.from_wire(name, _engine.tensor_from_dlpack(tensor))
        except (ServerError, BufferError) as error:
            raise TritonModelException(f"tensor '{name}': {error}") from None
        self._foreign = True
        return self

    def name(self) -> str:
        """The input's or output's name."""
        return self._name

    def triton_dtype(self) -> int:
        """The number of the data type in the `DataType` enum of the model configuration."""
        if self._tensor is not None:
            return int(self._tensor.data_type)
        return TYPE_NUMBERS[self._array.dtype.num]

    def shape(self) -> list[int]:
        """Dimensions, the batch dimension included."""
        return list(self._array.shape if self._tensor is None else self._tensor.shape)

    def is_cpu(self) -> bool:
        """Whether the data is in host memory."""
        return self.__dlpack_device__()[0] != _DLPACK_CUDA

    def as_numpy(self) -> Array:
        """The data as a writable array, the same one every time.

        Raises TritonModelException for BF16 and for data on a GPU, which numpy has not.
        """
        if self._array is None:
            try:
                array = self._tensor.numpy()
            except ServerError as error:
                raise TritonModelException(error.message) from None
            self._array = array if array.flags.writeable else array.copy()
        return cast(Array, self._array)

    def to_dlpack(self) -> Any:
        """A DLPack capsule of the data, without a copy. Strings have none."""
        return self.__dlpack__()

    def __dlpack__(self, *, stream: Any = None, **kwargs: Any) -> Any:
        if self.triton_dtype() == DataType.BYTES:
            raise TritonModelException("DLPack does not have support for string tensors.")
        # The array comes first: it may have been written to.
        source = self._tensor if self._array is None else self._array
        return source.__dlpack__(stream=stream, **kwargs)

    def __dlpack_device__(self) -> Device:
        return _HOST if self._tensor is None else cast(Device, self._tensor.__dlpack_device__())


def outgoing(tensors: list[Tensor], index: int) -> _engine.Tensor | Array:
    """What the server may send of an output after `execute` has returned: nobody can change it.

    Triton copies every output while `execute` is still on; models rely on it when they use one
    array again and again. Here an array is sent as it is if nothing else refers to it, and copied
    otherwise.
    """
    tensor = tensors[index]
    array = tensor._array
    if array is None:
        wire = cast(_engine.Tensor, tensor._tensor)
        return _copy(wire) if tensor._foreign else wire
    if array.dtype.hasobject:
        return cast(Array, array)  # serialised on the way in
    if array.nbytes > _ALWAYS_COPY_BYTES:
        del tensor, array
        if _references(tensors, index) == _SOLE_OWNER:
            return cast(Array, tensors[index]._array)
    return cast(Array, tensors[index]._array.copy())


def _references(tensors: list[Tensor], index: int) -> tuple[int, int, int]:
    """Reference counts of a tensor, of its array, and of the array that owns the memory."""
    tensor = tensors[index]
    array = tensor._array
    base = array.base
    if base is None:
        return getrefcount(tensor), getrefcount(array), _OWN_MEMORY
    if type(base) is not np.ndarray or not base.flags.owndata:
        return getrefcount(tensor), getrefcount(array), 0
    return getrefcount(tensor), getrefcount(array), getrefcount(base) - _VIEW_REFERENCES


def _copy(tensor: _engine.Tensor) -> _engine.Tensor | Array:
    if tensor.data_type != DataType.BF16:
        return tensor.numpy().copy()
    words = np.frombuffer(memoryview(tensor), dtype=np.uint16).reshape(tensor.shape)
    return _engine.tensor_from_numpy(words.copy(), DataType.BF16)


def _calibrate() -> tuple[int, tuple[int, int, int]]:
    """Counts of objects that have one owner: interpreters differ in what a call adds."""
    view = _references([Tensor("view", np.empty(4).reshape(2, 2))], 0)
    whole = _references([Tensor("whole", np.empty(4))], 0)
    return view[2] - _OWN_MEMORY, whole


_OWN_MEMORY = -1
_VIEW_REFERENCES = 0
_VIEW_REFERENCES, _SOLE_OWNER = _calibrate()
