# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.map cimport map as cmap
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from cpython.ref cimport PyObject

from buffer cimport BufferLease
from backend cimport CBatch, CResponder
from codec cimport CGrpcCodec, CHttpCodec, Reply
from engine cimport (
    CEngine,
    Clock,
    CModelVersion,
    ModelStatistics,
    ModelVersionRef,
    RedisOptions,
    RemoteCacheState,
    WarmUpInput,
)
from plan cimport CModelPlan, CTensorSpec, ResourceCount
from regions cimport DeviceUsage, RegionInfo
from request cimport Parameter, Recycled, Request, Response
from status cimport Status
from tensor cimport Shape, TensorView

cdef extern from "shim.h" namespace "penstock::binding" nogil:
    shared_ptr[CEngine] make_engine(
        uint32_t,
        size_t,
        size_t,
        const vector[RedisOptions]&,
        bool,
        bool,
        const vector[ResourceCount]&,
        bool,
        vector[string],
        cmap[int32_t, uint64_t],
        bool,
    ) except +
    void set_device(ResourceCount&, int32_t)
    bool remote_cache_state(const CEngine&, RemoteCacheState&) except +
    int notices_fd(CEngine&)
    vector[string] take_notices(CEngine&, uint64_t&) except +
    Status warm_up(CModelVersion&, uint32_t, const vector[vector[WarmUpInput]]&) except +
    Status create_model(CEngine&, const shared_ptr[CModelPlan]&, ModelVersionRef&) except +
    Status find_model(const CEngine&, const string&, int64_t, ModelVersionRef&) except +
    void keep_large_blocks()
    int code_of(const Status&)
    Status status_of(int, string) except +
    int type_of(const TensorView&)
    int type_of(const CTensorSpec&)
    void set_type(TensorView&, int)
    void set_type(CTensorSpec&, int)
    size_t size_of_type(int)
    char* chars(const TensorView&)
    char* chars(const BufferLease&)
    void point_at(TensorView&, const BufferLease&, size_t)
    bool held(const BufferLease&)
    uint64_t failures_of(const ModelStatistics&, int)
    vector[int64_t] duration_bounds() except +
    vector[uint64_t] success_counts(const ModelStatistics&) except +
    vector[uint64_t] queue_counts(const ModelStatistics&) except +
    vector[double] summary_of(const CModelVersion&, int, const vector[double]&) except +
    void set_reshape(CTensorSpec&, const Shape&)
    void set_bool(Parameter&, bool)
    void set_int(Parameter&, int64_t)
    void set_double(Parameter&, double)
    void set_string(Parameter&, string) except +
    int kind_of(const Parameter&)
    bool bool_of(const Parameter&)
    int64_t int_of(const Parameter&)
    uint64_t uint_of(const Parameter&)
    double double_of(const Parameter&)
    const string& string_of(const Parameter&)
    void add_parameter(Request&, const Parameter&) except +
    void append_parameter(Request&, const Parameter&) except +
    void join(const Reply&, char*)
    Status decode_http(
        CHttpCodec&, bool, uint64_t, const BufferLease&, Request&, bool
    ) except +
    Status bind_grpc(CGrpcCodec&, CEngine&, const BufferLease&, Request&) except +
    Status decode_grpc(CGrpcCodec&, const BufferLease&, Request&, bool) except +
    Status header_length(const string&, uint64_t, uint64_t&) except +
    Status version_of(const string&, int64_t&) except +
    unique_ptr[CHttpCodec] make_http_codec(CEngine&, uint64_t) except +
    unique_ptr[CGrpcCodec] make_grpc_codec(CEngine&) except +
    int64_t after_us(int64_t, uint64_t)
    uint64_t time_left_us(const Request&, const Clock&)
    bool given_up(const CResponder&, const Clock&)
    Status deadline_of(const string&, Request&) except +
    void defer(CBatch&, size_t, CResponder&)
    void drop(CResponder&)
    Status begin_response(CResponder&, Response*&) except +
    void fail_response(Response&, int, string) except +
    void add_parameter_to(Response&, const Parameter&) except +

cdef extern from "device_shim.h" namespace "penstock::binding" nogil:
    int32_t device_of(const TensorView&)
    void place_on_device(TensorView&, int32_t)
    void place_on_host(TensorView&, const BufferLease&)
    Status open_cuda_of_process(const vector[string]&) except +
    Status use_gpu(int32_t, int32_t&) except +
    Status wait_for_gpu() except +
    Status copy_from_gpu(int32_t, char*, const char*, size_t) except +
    size_t stream_of(const CBatch&)
    bool health_of(const CModelVersion&, string&) except +
    bool has_devices(CEngine&)
    vector[DeviceUsage] device_usage(CEngine&) except +
    Status device_memory(CEngine&, int32_t, uint64_t&, uint64_t&) except +
    Status add_cuda_region(CEngine&, const string&, const string&, int64_t, uint64_t) except +
    Status add_system_region(
        CEngine&, const string&, const string&, uint64_t, uint64_t
    ) except +
    Status remove_region(CEngine&, bool, const string&) except +
    Status list_regions(CEngine&, bool, const string&, vector[RegionInfo]&) except +

cdef extern from "sequence_shim.h" namespace "penstock::binding" nogil:
    void set_strategy(CModelPlan&, bool)
    void add_control(CModelPlan&, uint32_t, int, const string&, const string&) except +
    void add_state(
        CModelPlan&, uint32_t, uint32_t, const Shape&, const string&, bool, bool
    ) except +

cdef extern from "batch_shim.h" namespace "penstock::binding" nogil:
    void add_batch_input(CModelPlan&, uint32_t, int, uint32_t) except +
    void add_batch_output(CModelPlan&, uint32_t, uint32_t) except +

cdef extern from "py_owned.h" namespace "penstock::binding":
    BufferLease lend_buffer(PyObject*) except +*
    BufferLease lend_dlpack(DLManagedTensor*, size_t) except +
    BufferLease lend_object(PyObject*, void*, size_t, int32_t) except +
    void sweep()

cdef extern from "array_owner.h" namespace "penstock::binding":
    PyObject* borrowed_item(PyObject*, Py_ssize_t)
    bool has_one_owner(PyObject*)
    bool owns_memory_alone(PyObject*)

cdef extern from "quick_call.h" namespace "penstock::binding":
    void set_vectorcall(PyObject*, object (*)(object, PyObject**, size_t, PyObject*))
    Py_ssize_t argument_count(size_t)
    bool is_word(PyObject*, const char*)
    object called_by_type(PyObject*, PyObject**, size_t, PyObject*)

cdef extern from "dlpack.h" namespace "penstock::binding":
    cdef struct DLManagedTensor "DLManagedTensor":
        void (*deleter)(DLManagedTensor*)

    DLManagedTensor* make_managed(const TensorView&, const BufferLease&,
                                  const shared_ptr[CEngine]&) except +
    Status view_of_managed(const DLManagedTensor&, bool, TensorView&) except +
