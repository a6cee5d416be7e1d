# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stdint cimport int32_t, int64_t, uint64_t
from libcpp.string cimport string

from buffer cimport BufferPoolStats

cdef extern from "penstock/shared_regions.h" namespace "penstock" nogil:
    cdef cppclass RegionInfo:
        string name
        string key
        uint64_t offset
        int64_t device
        uint64_t size_bytes

cdef extern from "penstock/cuda.h" namespace "penstock" nogil:
    cdef cppclass DeviceUsage "penstock::DevicePools::Usage":
        int32_t device
        uint64_t pool_bytes
        BufferPoolStats stats
