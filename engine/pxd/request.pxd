# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.string cimport string

from buffer cimport BufferLease
from clock cimport Clock
from completion cimport CompletionNode, CompletionRing
from plan cimport CModelPlan
from status cimport Status
from tensor cimport TensorView

cdef extern from "penstock/request.h" namespace "penstock" nogil:
    cdef cppclass Recycled[T]:
        T& append()
        size_t size()
        T& operator[](size_t)

    cdef cppclass Parameter:
        string name

    cdef cppclass InputTensor:
        uint32_t spec
        TensorView view
        BufferLease lease

    cdef cppclass RequestedOutput:
        uint32_t spec

    cdef cppclass StageTimes:
        int64_t received
        int64_t decoded
        int64_t queued

    cdef cppclass Response(CompletionNode):
        Request* request
        Status status
        Recycled[Parameter] parameters
        bool final
        bool flags_only

    cdef cppclass RequestHandle:
        pass

    cdef cppclass Request:
        string id
        uint64_t correlation_id
        string correlation_id_string
        uint32_t flags
        uint64_t priority
        uint64_t timeout_us
        int64_t deadline_ns
        uint64_t deadline_ms
        Recycled[Parameter] parameters
        Recycled[InputTensor] inputs
        Recycled[RequestedOutput] outputs
        bool wants_empty_final
        CompletionRing* completion
        void* tag
        string trace_context
        int64_t batch_size
        StageTimes times
        Response response
        const CModelPlan& plan()
        RequestHandle handle()
        bool cancelled()
        void mark_sending(const Clock&)
        bool given_up(int64_t)
