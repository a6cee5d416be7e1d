# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from request cimport Request
from tensor cimport DataType, Shape

cdef extern from "penstock/trace.h" namespace "penstock" nogil:
    cdef cppclass string_view "std::string_view":
        pass

    cdef cppclass TraceStamp:
        string_view name
        int64_t ns

    cdef cppclass TraceTensor:
        string_view activity
        string name
        DataType type
        Shape shape
        string data

    cdef cppclass TraceLink:
        TraceLink()
        uint64_t id
        uint64_t root_id

    cdef cppclass TraceRecord:
        TraceLink link()
        uint64_t id
        uint64_t parent_id
        uint64_t root_id
        uint64_t generation
        string model
        int64_t version
        string request_id
        string context
        string error
        vector[TraceStamp] stamps
        vector[TraceTensor] tensors

cdef extern from "penstock/tracer.h" namespace "penstock" nogil:
    cdef cppclass TraceSettings:
        TraceSettings()
        bool tensors
        uint64_t rate
        int64_t count
        uint64_t generation

    cdef cppclass Tracer:
        void set(const TraceSettings*) except +
        void set(const string&, const TraceSettings*) except +
        void inherit(const string&) except +
        void take(vector[unique_ptr[TraceRecord]]&, int64_t) except +
        uint64_t dropped()

cdef extern from "trace_shim.h" namespace "penstock::binding" nogil:
    string text_of(string_view) except +
    int number_of(DataType)
    bool of_client(const TraceRecord&)
    string context_of(const TraceLink&) except +
    bool take_link(const Request&, TraceLink&)
