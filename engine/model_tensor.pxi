# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# ModelTensor: the part of `model.py`'s Tensor that every request goes through.
#
# It knows received bytes only by a Tensor's lease: they may lie in a pool, in a Python object or in
# memory that is shared with another process.
from cpython.object cimport PyTypeObject
from cpython.ref cimport PyObject
from libc.string cimport memcpy
from libcpp.utility cimport move

from engine cimport CEngine
from shim cimport borrowed_item, has_one_owner, held, owns_memory_alone

cdef enum:
    # Up to here a copy costs less than finding out whether one is needed.
    SMALL_BYTES = 2048
    # Copies of this size let other threads have the GIL.
    LARGE_BYTES = 262144
    TYPE_NUMBERS = 32

# Data type of each numpy type number, strings as objects; 0: the protocol has none.
cdef int[TYPE_NUMBERS] TYPE_OF_NUMBER


cdef void fill_type_numbers() noexcept:
    cdef int i
    for i in range(TYPE_NUMBERS):
        TYPE_OF_NUMBER[i] = 0
    for i in range(BYTES_TYPE):
        if NUMPY_TYPES[i] >= 0:
            TYPE_OF_NUMBER[NUMPY_TYPES[i]] = i
    # C has two types of 64 bits, and numpy a number for each.
    TYPE_OF_NUMBER[<int>cnp.NPY_LONGLONG] = TYPE_OF_NUMBER[<int>cnp.NPY_INT64]
    TYPE_OF_NUMBER[<int>cnp.NPY_ULONGLONG] = TYPE_OF_NUMBER[<int>cnp.NPY_UINT64]
    TYPE_OF_NUMBER[<int>cnp.NPY_OBJECT] = BYTES_TYPE


fill_type_numbers()


cdef inline int type_of_array(cnp.ndarray array) noexcept:
    cdef int number = cnp.PyArray_TYPE(array)
    return TYPE_OF_NUMBER[number] if 0 <= number < TYPE_NUMBERS else 0


# Can its bytes be sent as they lie, or its objects one behind the other?
cdef inline bint is_plain(object array) noexcept:
    return (
        cnp.PyArray_Check(array)
        and type_of_array(<cnp.ndarray>array) != 0
        and cnp.PyArray_CHKFLAGS(<cnp.ndarray>array, cnp.NPY_ARRAY_C_CONTIGUOUS)
        and cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray>array)
    )


# An object of a subclass as C makes it, without __init__.
cdef inline object bare(type subclass):
    return (<PyTypeObject*>subclass).tp_new(subclass, <PyObject*>(), NULL)


@cython.no_gc  # numpy does not traverse arrays either, and received bytes refer to nothing
cdef class ModelTensor:
    cdef str _name
    cdef object array  # a numpy array and received bytes: at least one of them is there
    cdef Tensor received
    cdef bint foreign  # received from a DLPack producer, which may go on writing

    def __init__(self, name, numpy_array):
        self.take(name, numpy_array)

    cdef int take(self, name, numpy_array) except -1:
        if type(name) is str and name and is_plain(numpy_array):
            self._name = <str>name
            self.array = numpy_array
        else:
            self._name, self.array = self._checked(name, numpy_array)
        return 0

    # A copy made by hand, past __init__, has nothing.
    cdef int check_made(self) except -1:
        if self.array is None and self.received is None:
            raise InternalError("a tensor without data")
        return 0

    def name(self):
        return self._name

    def triton_dtype(self):
        self.check_made()
        if self.received is not None:
            return type_of(self.received.view)
        return type_of_array(<cnp.ndarray>self.array)

    def shape(self):
        self.check_made()
        return list(self.array.shape if self.received is None else self.received.shape)

    def as_numpy(self):
        if self.array is None:
            self.check_made()
            self.array = array_of(self.received.view)
            if self.array is None:
                self.array = self._unpacked(self.received)
        return self.array

    @property
    def _source(self):
        # The array comes first: it may have been written to.
        return self.received if self.array is None else self.array


cdef void copy_bytes(char* to, const char* data, size_t size_bytes) noexcept:
    if size_bytes >= LARGE_BYTES:
        with nogil:
            memcpy(to, data, size_bytes)
    elif size_bytes > 0:
        memcpy(to, data, size_bytes)


# Received numbers in memory of their own; None when numpy has no numbers of this type.
cdef cnp.ndarray array_of(const TensorView& view):
    cdef int number = NUMPY_TYPES[type_of(view)]
    if number < 0 or device_of(view) >= 0:
        return None
    cdef cnp.npy_intp[16] dims
    cdef int rank = <int>view.shape.rank()
    cdef int i
    for i in range(rank):
        dims[i] = view.shape[i]
    cdef cnp.ndarray array = cnp.PyArray_EMPTY(rank, dims, number, 0)
    copy_bytes(cnp.PyArray_BYTES(array), chars(view), view.size_bytes)
    return array


cdef ModelTensor received_tensor(type subclass, str name, Tensor received):
    cdef ModelTensor tensor = <ModelTensor?>bare(subclass)
    tensor._name = name
    tensor.received = received
    return tensor


def model_tensor(
    type subclass not None, str name not None, Tensor received not None, *, bint foreign=False
):
    cdef ModelTensor tensor = received_tensor(subclass, name, received)
    tensor.foreign = foreign
    return tensor


cdef int copy_out(
    CEngine* engine, const char* data, size_t size_bytes, TensorView& view, BufferLease& lease
) except -1:
    cdef BufferLease copy = engine.pool().acquire(size_bytes)
    if not held(copy):
        raise UnavailableError(f"no memory for an output of {size_bytes} bytes")
    copy_bytes(chars(copy), data, size_bytes)
    point_at(view, copy, size_bytes)
    lease = move(copy)
    return 0


# The bytes of tensors[position] that may be sent after `execute` has returned: nobody can change
# them.
#
# Triton copies every output while `execute` is still on; models rely on it when they use one array
# again and again. Here an array is sent as it is if it is `alone`, which means that nothing refers
# to the tuple but the caller, and nothing to the array but the tuple; otherwise it is copied.
cdef int outgoing(
    CEngine* engine, tuple tensors, Py_ssize_t position, bint alone, TensorView& view,
    BufferLease& lease,
) except -1:
    cdef PyObject* item = borrowed_item(<PyObject*>tensors, position)
    alone = alone and has_one_owner(item)
    cdef ModelTensor tensor = <ModelTensor>item
    tensor.check_made()
    if tensor.array is None:
        view = tensor.received.view
        if tensor.foreign and device_of(view) >= 0:
            return copy_to_host(engine, view, lease)
        if tensor.foreign:
            return copy_out(engine, chars(view), view.size_bytes, view, lease)
        lease = tensor.received.lease
        return 0
    alone = alone and owns_memory_alone(<PyObject*>tensor.array)
    cdef cnp.ndarray array = <cnp.ndarray>tensor.array
    cdef int data_type = type_of_array(array)
    cdef size_t size_bytes = cnp.PyArray_NBYTES(array)
    cdef bytes strings
    set_type(view, data_type)
    fill_dims(view.shape, array)
    if data_type == BYTES_TYPE:
        strings = join_strings(array.ravel())
        lease = lend_buffer(<PyObject*>strings)
    elif size_bytes <= SMALL_BYTES or not alone:
        return copy_out(engine, cnp.PyArray_BYTES(array), size_bytes, view, lease)
    else:
        lease = lend_buffer(<PyObject*>array)
    point_at(view, lease, lease.get().size_bytes)
    return 0


cdef int fill_dims(Shape& shape, cnp.ndarray array) except -1:
    cdef int i
    for i in range(cnp.PyArray_NDIM(array)):
        if not shape.try_push_back(cnp.PyArray_DIM(array, i)):
            raise InvalidArgError("a tensor has more than 16 dimensions")
    return 0
