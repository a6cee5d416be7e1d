# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from backend cimport CBatch, CNativeInstance
from buffer cimport BufferLease, BufferPool
from clock cimport Clock
from plan cimport CModelPlan
from request cimport Request, RequestHandle, Response
from status cimport Status
from tensor cimport TensorView
from trace cimport Tracer

cdef extern from "penstock/statistics.h" namespace "penstock" nogil:
    cdef cppclass DurationStat:
        uint64_t count
        uint64_t ns

    cdef cppclass BatchStat:
        uint64_t batch_size
        DurationStat compute_input
        DurationStat compute_infer
        DurationStat compute_output

    cdef cppclass ResponseStat:
        DurationStat compute_infer, compute_output
        DurationStat success, fail, empty_response, cancel

    cdef cppclass FirstResponseStat:
        uint64_t count
        uint64_t ms
        vector[uint64_t] counts

    cdef cppclass ModelStatistics:
        uint64_t last_inference_ms
        uint64_t inference_count
        uint64_t execution_count
        DurationStat success, fail, queue, compute_input, compute_infer, compute_output
        DurationStat cache_hit, cache_miss
        FirstResponseStat first_response
        vector[BatchStat] batches
        vector[ResponseStat] responses
        uint64_t pending
        uint64_t in_flight
        uint64_t late
        bool cached

cdef extern from "penstock/redis.h" namespace "penstock" nogil:
    cdef cppclass RedisOptions:
        string host
        uint16_t port
        string user
        string password
        uint32_t db
        int64_t connect_timeout_ns
        int64_t socket_timeout_ns
        int64_t wait_timeout_ns

    cdef cppclass RemoteCacheState:
        bool up
        uint64_t changes
        string text

cdef extern from "penstock/engine.h" namespace "penstock" nogil:
    cdef cppclass WarmUpInput:
        string name
        TensorView view
        BufferLease lease

    cdef cppclass CModelVersion "penstock::ModelVersion":
        const CModelPlan& plan()
        ModelStatistics statistics() except +
        bool next(uint32_t, CBatch&) except +
        void complete(uint32_t, CBatch&) except +
        void start(uint32_t, unique_ptr[CNativeInstance]) except +
        uint32_t instance_limit()
        Status end_instance(uint32_t) except +
        void set_problem(string) except +

    ctypedef shared_ptr[CModelVersion] ModelVersionRef

    cdef cppclass CEngine "penstock::Engine":
        void publish(const string&, vector[ModelVersionRef], vector[int64_t], bool) except +
        void refuse(const string&, Status) except +
        void forget(const string&) except +
        void retire(const ModelVersionRef&, int64_t) except +
        void stop_accepting()
        vector[string] take_wanted_models() except +
        int wanted_models_fd()
        uint64_t in_flight()
        Request* acquire() except +
        Status bind(Request&, const string&, int64_t) except +
        Status submit(Request&) except +
        void release(Request*)
        void release(Response*)
        bool cancel(RequestHandle)
        Tracer& tracer()
        BufferPool& pool()
        const string& memory_report()
        const Clock& clock()
