# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libcpp cimport bool

from tensor cimport byte

cdef extern from "penstock/buffer.h" namespace "penstock" nogil:
    cdef cppclass Buffer:
        byte* data
        size_t size_bytes

    cdef cppclass BufferLease:
        BufferLease()
        void reset()
        Buffer* get()

    cdef cppclass BufferPoolStats:
        uint64_t acquired
        uint64_t system_allocs
        uint64_t cached_bytes
        uint64_t in_use_bytes

    cdef cppclass BufferPool:
        BufferLease acquire(size_t)
        BufferPoolStats stats()
