# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# BYTES tensors: the wire's length-prefixed elements and numpy's object arrays.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.string cimport memcpy


cdef bytes element_bytes(object element):
    if type(element) is bytes:
        return element
    if isinstance(element, bytes):  # numpy's, which indexing and iteration give
        return bytes(element)
    if isinstance(element, str):
        return (<str>element).encode()
    if isinstance(element, (bytearray, memoryview)):
        return bytes(element)
    return str(element).encode()


cdef bytes join_strings(object elements):
    cdef list parts = [element_bytes(element) for element in elements]
    cdef Py_ssize_t total = 0
    cdef bytes part
    for part in parts:
        if PyBytes_GET_SIZE(part) > 0xFFFFFFFF:
            raise InvalidArgError("a string element is longer than 4294967295 bytes")
        total += 4 + PyBytes_GET_SIZE(part)
    cdef bytes result = PyBytes_FromStringAndSize(NULL, total)
    cdef char* to = PyBytes_AS_STRING(result)
    cdef uint32_t length
    for part in parts:
        length = <uint32_t>PyBytes_GET_SIZE(part)
        memcpy(to, &length, 4)
        memcpy(to + 4, PyBytes_AS_STRING(part), length)
        to += 4 + length
    return result


cdef list split_strings(const char* data, size_t size):
    cdef list elements = []
    cdef uint32_t length
    while size > 0:
        if size < 4:
            raise InvalidArgError("incomplete string length indicator, expecting 4 bytes")
        memcpy(&length, data, 4)
        if length > size - 4:
            raise InvalidArgError(
                f"string element of {length} bytes, but only {size - 4} bytes are left"
            )
        elements.append(PyBytes_FromStringAndSize(data + 4, length))
        data += 4 + length
        size -= 4 + length
    return elements


cdef object object_array(list elements, object shape):
    array = np.empty(len(elements), dtype=object)
    cdef Py_ssize_t i
    for i in range(len(elements)):
        array[i] = elements[i]
    return array.reshape(shape)


def serialize_bytes(array):
    return join_strings(np.asarray(array, dtype=object).ravel())


def deserialize_bytes(data, Py_ssize_t count=-1):
    cdef const unsigned char[::1] view = memoryview(data).cast("B")
    cdef list elements = []
    if view.shape[0] > 0:
        elements = split_strings(<const char*>&view[0], view.shape[0])
    if count >= 0 and len(elements) != count:
        raise InvalidArgError(f"expected {count} string elements, got {len(elements)}")
    return object_array(elements, (len(elements),))
