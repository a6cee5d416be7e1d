# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Tensor: a TensorView with the lease that keeps its bytes alive.
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.pycapsule cimport (
    PyCapsule_GetPointer,
    PyCapsule_IsValid,
    PyCapsule_New,
    PyCapsule_SetName,
)
from cpython.ref cimport Py_INCREF, PyObject
from libcpp.memory cimport shared_ptr

cimport numpy as cnp

from buffer cimport BufferLease
from engine cimport CEngine
from shim cimport (
    DLManagedTensor,
    chars,
    lend_buffer,
    lend_dlpack,
    make_managed,
    point_at,
    set_type,
    size_of_type,
    type_of,
    view_of_managed,
)
from tensor cimport TensorView

import numpy as np

from penstock.errors import UnavailableError, UnsupportedError

cnp.import_array()

cdef enum:
    BYTES_TYPE = 13

# numpy type number of each data type; -1: numpy has none.
cdef int[15] NUMPY_TYPES
NUMPY_TYPES[:] = [
    -1,
    cnp.NPY_BOOL,
    cnp.NPY_UINT8,
    cnp.NPY_UINT16,
    cnp.NPY_UINT32,
    cnp.NPY_UINT64,
    cnp.NPY_INT8,
    cnp.NPY_INT16,
    cnp.NPY_INT32,
    cnp.NPY_INT64,
    cnp.NPY_FLOAT16,
    cnp.NPY_FLOAT32,
    cnp.NPY_FLOAT64,
    -1,
    -1,
]

cdef dict TYPE_OF_CHAR = {
    "?": 1, "B": 2, "H": 3, "I": 4, "L": 5, "Q": 5, "b": 6, "h": 7, "i": 8, "l": 9, "q": 9,
    "e": 10, "f": 11, "d": 12, "O": 13, "S": 13, "U": 13,
}


@cython.freelist(64)
cdef class Tensor:
    cdef TensorView view
    cdef BufferLease lease
    cdef shared_ptr[CEngine] engine  # whose pool the lease may have come from

    @property
    def data_type(self):
        return type_of(self.view)

    @property
    def shape(self):
        return shape_tuple(self.view.shape)

    @property
    def nbytes(self):
        return self.view.size_bytes

    @property
    def device(self):
        return device_of(self.view)

    @property
    def __cuda_array_interface__(self):
        return cuda_array_interface(self.view)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        check_on_host(self.view)
        PyBuffer_FillInfo(buffer, self, chars(self.view), self.view.size_bytes, 1, flags)

    def __dlpack_device__(self):
        cdef int device = device_of(self.view)
        if device < 0:
            return (1, 0)
        return (2, device)

    def __dlpack__(self, *, stream=None, **kwargs):
        cdef DLManagedTensor* managed = make_managed(self.view, self.lease, self.engine)
        if managed == NULL:
            raise UnsupportedError("DLPack has no strings")
        return PyCapsule_New(managed, "dltensor", drop_capsule)

    def numpy(self):
        cdef int kind = type_of(self.view)
        check_on_host(self.view)
        if kind == BYTES_TYPE:
            return object_array(split_strings(chars(self.view), self.view.size_bytes), self.shape)
        if NUMPY_TYPES[kind] < 0:
            raise UnsupportedError(
                "Tensor dtype is BF16 and cannot be converted to NumPy. "
                "Use to_dlpack() and from_dlpack() instead."
            )
        cdef cnp.npy_intp[16] dims
        cdef int rank = <int>self.view.shape.rank()
        cdef int i
        for i in range(rank):
            dims[i] = self.view.shape[i]
        cdef char* data = chars(self.view)
        if data == NULL:
            return np.empty(self.shape, dtype=cnp.PyArray_DescrFromType(NUMPY_TYPES[kind]))
        cdef cnp.ndarray array = cnp.PyArray_New(
            cnp.ndarray, rank, dims, NUMPY_TYPES[kind], NULL, data, 0, 0, None
        )
        cnp.set_array_base(array, self)
        return array


cdef void drop_capsule(object capsule) noexcept:
    cdef DLManagedTensor* managed
    if PyCapsule_IsValid(capsule, "dltensor"):
        managed = <DLManagedTensor*>PyCapsule_GetPointer(capsule, "dltensor")
        managed.deleter(managed)


cdef Tensor tensor_of_buffer(object data, int data_type, object shape):
    cdef Tensor tensor = Tensor()
    tensor.lease = lend_buffer(<PyObject*>data)
    set_type(tensor.view, data_type)
    fill_shape(tensor.view.shape, shape, "a tensor")
    point_at(tensor.view, tensor.lease, tensor.lease.get().size_bytes)
    return tensor


cdef Tensor as_tensor(object value):
    if isinstance(value, Tensor):
        return <Tensor>value
    return tensor_from_numpy(value)


def tensor_from_numpy(array, int data_type=0):
    if not isinstance(array, np.ndarray):
        raise InvalidArgError(f"expected a numpy array, got {type(array).__name__}")
    cdef int own = TYPE_OF_CHAR.get(array.dtype.char, 0)
    if own == 0:
        raise UnsupportedError(f"numpy dtype '{array.dtype}' has no counterpart in the protocol")
    if own == BYTES_TYPE:
        if data_type not in (0, BYTES_TYPE):
            raise InvalidArgError(f"a numpy array of dtype '{array.dtype}' holds strings")
        return tensor_of_buffer(join_strings(array.ravel()), BYTES_TYPE, array.shape)
    if not 0 <= data_type < 15:
        raise InvalidArgError(f"no data type has the number {data_type}")
    if data_type not in (0, own):
        if data_type == BYTES_TYPE or size_of_type(data_type) != array.dtype.itemsize:
            raise InvalidArgError(f"a numpy array of '{array.dtype}' is not of that data type")
        own = data_type
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return tensor_of_buffer(array, own, array.shape)


def tensor_from_dlpack(obj, *, stream=None, bint on_device=False):
    cdef DLManagedTensor* managed
    if PyCapsule_IsValid(obj, "dltensor"):
        capsule = obj
    elif stream is None:
        capsule = obj.__dlpack__()
    else:
        capsule = obj.__dlpack__(stream=stream)
    if not PyCapsule_IsValid(capsule, "dltensor"):
        raise InvalidArgError("__dlpack__ did not return an unused DLPack capsule")
    managed = <DLManagedTensor*>PyCapsule_GetPointer(capsule, "dltensor")
    cdef Tensor tensor = Tensor()
    check(view_of_managed(deref(managed), on_device, tensor.view))
    PyCapsule_SetName(capsule, "used_dltensor")
    tensor.lease = lend_dlpack(managed, tensor.view.size_bytes)
    return tensor
