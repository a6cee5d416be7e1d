# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stdint cimport int64_t

cdef extern from "penstock/clock.h" namespace "penstock" nogil:
    cdef cppclass Clock:
        int64_t now_ns()
