# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t
from libcpp cimport bool
from libcpp.string cimport string

cdef extern from "penstock/tensor.h" namespace "penstock" nogil:
    cdef cppclass DataType:
        pass

    cdef cppclass MemoryKind:
        pass

    size_t element_size(DataType)

    cdef cppclass Shape:
        Shape()
        size_t rank()
        bool try_push_back(int64_t)
        int64_t operator[](size_t)

    string to_string(const Shape&)

    cdef cppclass byte "std::byte":
        pass

    cdef cppclass TensorView:
        TensorView()
        DataType type
        MemoryKind memory
        int32_t device
        Shape shape
        const byte* data
        size_t size_bytes
