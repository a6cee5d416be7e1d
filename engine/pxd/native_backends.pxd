# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libcpp cimport bool
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport pair
from libcpp.vector cimport vector

from backend cimport CNativeInstance
from plan cimport CModelPlan
from status cimport Status
from tensor cimport Shape

cdef extern from "penstock/native_backends.h" namespace "penstock" nogil:
    cdef cppclass IdentityOptions:
        double execute_delay_ms

    unique_ptr[CNativeInstance] c_make_identity_instance "penstock::make_identity_instance"(
        IdentityOptions) except +
    Status c_check_identity_plan "penstock::check_identity_plan"(const CModelPlan&) except +

    cdef cppclass OnnxRuntimeOptions:
        string library
        bool global_thread_pool
        int intra_op_threads
        int inter_op_threads

    cdef cppclass OnnxProvider:
        string name
        vector[pair[string, string]] options

    cdef cppclass COnnxRuntime "penstock::OnnxRuntime":
        const string& version()
        Status check_provider(const OnnxProvider&) except +

    cdef cppclass OnnxModelOptions:
        vector[OnnxProvider] providers
        Status set(string, string) except +

    cdef cppclass OnnxTensorInfo:
        string name
        string onnx_type
        bool rank_known
        Shape dims

    cdef cppclass COnnxModel "penstock::OnnxModel":
        const vector[OnnxTensorInfo]& inputs()
        const vector[OnnxTensorInfo]& outputs()

cdef extern from "native_shim.h" namespace "penstock::binding" nogil:
    Status open_onnx_runtime(const OnnxRuntimeOptions&, shared_ptr[COnnxRuntime]&) except +
    Status load_onnx_model(const shared_ptr[COnnxRuntime]&, const string&, const OnnxModelOptions&,
                           shared_ptr[COnnxModel]&) except +
    Status create_onnx_instance(COnnxModel&, const CModelPlan&,
                                unique_ptr[CNativeInstance]&) except +
    int type_of_info(const OnnxTensorInfo&)
