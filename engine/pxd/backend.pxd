# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t
from libcpp cimport bool
from libcpp.memory cimport unique_ptr

from buffer cimport BufferLease
from plan cimport CModelPlan
from request cimport Request, Response
from status cimport Status
from tensor cimport TensorView

cdef extern from "penstock/backend.h" namespace "penstock" nogil:
    cdef cppclass CResponder "penstock::Responder":
        CResponder()
        Status set_output(
            Response&, uint32_t, const TensorView&, const BufferLease&) except +
        void send(Response*)
        void finish(Response*, Status)
        bool finished()
        bool cancelled()

    cdef cppclass CBatch "penstock::Batch":
        CBatch() except +
        size_t size()
        Request& request(size_t)
        const CModelPlan& plan()
        int64_t total_batch_size()
        int32_t device()
        Status gather(uint32_t, TensorView&, BufferLease*) except +
        bool padding(size_t)
        bool input(size_t, uint32_t, TensorView&, BufferLease*)
        bool wants_output(uint32_t)
        BufferLease allocate(size_t)
        Status scatter(uint32_t, const TensorView&, const BufferLease&) except +
        Status set_output(size_t, uint32_t, const TensorView&, const BufferLease&) except +
        void answer(size_t)
        Status reschedule(size_t) except +
        Status reschedule(size_t, CResponder*) except +
        void fail(size_t, Status) except +
        void fail_all(const Status&) except +
        void mark_exec_start()
        void mark_exec_end()

    cdef cppclass CNativeInstance "penstock::NativeInstance":
        pass
