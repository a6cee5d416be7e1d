# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Tensors in a GPU's memory: as others see them, and those of others.
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, uintptr_t

from shim cimport (
    copy_from_gpu,
    device_of,
    lend_object,
    open_cuda_of_process,
    place_on_device,
    place_on_host,
    use_gpu,
    wait_for_gpu,
)

# What the array interface calls a data type; None: nothing. BF16 are their bits.
ARRAY_TYPES = (
    None, "|b1", "|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8",
    None, "<u2",
)


cdef int check_on_host(const TensorView& view) except -1:
    if device_of(view) >= 0:
        raise UnsupportedError("Tensor is stored in GPU and cannot be converted to NumPy.")
    return 0


cdef dict cuda_array_interface(const TensorView& view):
    # What was put on the device is there before anybody gets the tensor, so no stream is named.
    kind = ARRAY_TYPES[type_of(view)]
    if device_of(view) < 0 or kind is None:
        raise AttributeError("__cuda_array_interface__")
    return {
        "version": 3,
        "shape": shape_tuple(view.shape),
        "typestr": kind,
        "data": (<uintptr_t>chars(view), True),
        "strides": None,
        "stream": None,
    }


def open_cuda(libraries):
    cdef vector[string] paths
    for path in libraries:
        paths.push_back(utf8(<str?>path))
    check(open_cuda_of_process(paths))


# What has to be on the legacy default stream before __dlpack__ returns (the array API standard).
DEFAULT_STREAM = 1


def tensor_from_gpu(obj, int device):
    """Frameworks export from the GPU that is current, and order their work before a stream's."""
    cdef int32_t before = 0
    cdef int32_t ignored = 0
    cdef Status status
    check(use_gpu(device, before))
    try:
        tensor = tensor_from_dlpack(obj, stream=DEFAULT_STREAM, on_device=True)
        with nogil:
            status = wait_for_gpu()
        check(status)
    finally:
        check(use_gpu(before, ignored))
    return tensor


cdef bytes bytes_on_host(const TensorView& view):
    cdef bytes copy = PyBytes_FromStringAndSize(NULL, view.size_bytes)
    cdef char* to = PyBytes_AS_STRING(copy)
    cdef const char* data = chars(view)
    cdef Status status
    with nogil:
        status = copy_from_gpu(view.device, to, data, view.size_bytes)
    check(status)
    return copy


# As copy_out(), of what is in a GPU's memory; waits for what the default stream had before.
cdef int copy_to_host(CEngine* engine, TensorView& view, BufferLease& lease) except -1:
    cdef BufferLease copy = engine.pool().acquire(view.size_bytes)
    if not held(copy):
        raise UnavailableError(f"no memory for an output of {view.size_bytes} bytes")
    cdef char* to = chars(copy)
    cdef const char* data = chars(view)
    cdef Status status
    with nogil:
        status = copy_from_gpu(view.device, to, data, view.size_bytes)
    check(status)
    place_on_host(view, copy)
    point_at(view, copy, view.size_bytes)
    lease = move(copy)
    return 0


def tensor_from_cuda_array(array, int device, int data_type=0):
    cdef dict interface = array.__cuda_array_interface__
    cdef int own = 0
    typestr = interface["typestr"]
    if typestr in ARRAY_TYPES and typestr is not None:
        own = ARRAY_TYPES.index(typestr)
    if interface.get("mask") is not None or own == 0:
        raise UnsupportedError(
            f"CUDA array of type '{typestr}' has no counterpart in the protocol"
        )
    if data_type not in (0, own):
        if not 0 < data_type < 15 or size_of_type(data_type) != size_of_type(own):
            raise InvalidArgError(f"a CUDA array of '{typestr}' is not of that data type")
        own = data_type
    shape = tuple(interface["shape"])
    cdef size_t size_bytes = size_of_type(own)
    for dim in shape:
        size_bytes *= <size_t>dim
    if not is_contiguous(shape, interface.get("strides"), <Py_ssize_t>size_of_type(own)):
        raise InvalidArgError(
            "CUDA array is not contiguous. Only contiguous arrays that are stored in C-Order are "
            "supported."
        )
    cdef Tensor tensor = Tensor()
    cdef uintptr_t address = interface["data"][0] or 0
    tensor.lease = lend_object(<PyObject*>array, <void*>address, size_bytes, device)
    set_type(tensor.view, own)
    fill_shape(tensor.view.shape, shape, "a tensor")
    point_at(tensor.view, tensor.lease, size_bytes)
    place_on_device(tensor.view, device)
    return tensor


cdef bint is_contiguous(tuple shape, object strides, Py_ssize_t item):
    if strides is None or 0 in shape:
        return True
    cdef Py_ssize_t expected = item
    for dim, stride in zip(reversed(shape), reversed(strides), strict=True):
        if dim != 1 and stride != expected:
            return False
        expected *= dim
    return True
