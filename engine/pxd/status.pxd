# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stdint cimport int64_t
from libcpp cimport bool
from libcpp.string cimport string

cdef extern from "penstock/status.h" namespace "penstock" nogil:
    cdef cppclass Code:
        pass

    cdef cppclass Status:
        Status()
        Status(Code, string)
        bool ok()
        Code code()
        const string& message()
        int64_t retry_after_ns()
