# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string

from backend cimport CNativeInstance
from calls cimport CCallPort, CModelCalls
from engine cimport CEngine, ModelVersionRef
from plan cimport CModelPlan
from status cimport Status

cdef extern from "penstock/worker.h" namespace "penstock" nogil:
    cdef cppclass WorkerOptions:
        string name
        size_t initial_bytes
        size_t growth_bytes
        size_t max_bytes
        int64_t execute_timeout_ns
        bool idempotent

    cdef cppclass CWorkerConnection "penstock::WorkerConnection":
        int fd()
        void lost(string) except +
        void close() except +
        uint64_t in_flight()
        uint64_t answered()

    cdef cppclass CWorkerLink "penstock::WorkerLink":
        void serve(const shared_ptr[CWorkerConnection]&, int) except +
        void refuse(string) except +
        bool ended()
        unique_ptr[CNativeInstance] instance() except +

cdef extern from "worker_shim.h" namespace "penstock::binding" nogil:
    shared_ptr[CWorkerLink] make_link(
        const shared_ptr[CModelPlan]&, CEngine&, const WorkerOptions&,
        shared_ptr[CModelCalls]) except +
    Status connect_worker(CWorkerLink&, shared_ptr[CWorkerConnection]&) except +
    Status attach(
        int, const shared_ptr[CModelPlan]&, const WorkerOptions&, shared_ptr[CEngine]&,
        ModelVersionRef&, shared_ptr[CCallPort]&) except +
    bool c_die_with_parent "penstock::binding::die_with_parent"(int)
