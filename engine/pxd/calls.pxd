# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libcpp cimport bool
from libcpp.memory cimport shared_ptr
from libcpp.vector cimport vector

from engine cimport CEngine
from plan cimport CModelPlan
from request cimport Parameter
from status cimport Status
from tensor cimport TensorView
from trace cimport TraceLink as CTraceLink

cdef extern from "penstock/call_message.h" namespace "std" nogil:
    cdef cppclass string_view:
        string_view()
        string_view(const char*, size_t)
        const char* data()
        size_t size()

cdef extern from "penstock/call_message.h" namespace "penstock" nogil:
    cdef cppclass CCallTensor "penstock::CallTensor":
        string_view name
        TensorView view

    cdef cppclass CCallRequest "penstock::CallRequest":
        string_view model
        int64_t version
        string_view id
        vector[Parameter] parameters
        vector[CCallTensor] inputs
        vector[string_view] outputs
        CTraceLink trace

    cdef cppclass CCallResponse "penstock::CallResponse":
        vector[Parameter] parameters
        vector[CCallTensor] outputs

cdef extern from "penstock/model_calls.h" namespace "penstock" nogil:
    cdef cppclass CModelCalls "penstock::ModelCalls":
        size_t open() except +

    cdef cppclass CCallReply "penstock::CallReply":
        Status status

    cdef cppclass COutgoingCall "penstock::OutgoingCall":
        void cancel() except +

    cdef cppclass CCallPort "penstock::CallPort":
        pass

    shared_ptr[CCallPort] c_local_calls "penstock::local_calls"(
        shared_ptr[CModelCalls], shared_ptr[const CModelPlan]) except +

cdef extern from "calls_shim.h" namespace "penstock::binding" nogil:
    shared_ptr[CModelCalls] make_calls(CEngine&) except +
    Status begin_call(
        CCallPort&, const CCallRequest&, bool, bool, shared_ptr[COutgoingCall]&) except +
    bool next_answer(COutgoingCall&, CCallReply&, CCallResponse&) except +
    shared_ptr[const CModelPlan] plan_of(const shared_ptr[CModelPlan]&)
