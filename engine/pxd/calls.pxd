# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libcpp cimport bool
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string

from engine cimport CEngine
from plan cimport CModelPlan
from status cimport Status

cdef extern from "penstock/model_calls.h" namespace "penstock" nogil:
    cdef cppclass CModelCalls "penstock::ModelCalls":
        size_t open() except +

    cdef cppclass COutgoingCall "penstock::OutgoingCall":
        void cancel() except +

    cdef cppclass CCallPort "penstock::CallPort":
        pass

    shared_ptr[CCallPort] c_local_calls "penstock::local_calls"(
        shared_ptr[CModelCalls], shared_ptr[const CModelPlan]) except +

cdef extern from "calls_shim.h" namespace "penstock::binding" nogil:
    shared_ptr[CModelCalls] make_calls(CEngine&) except +
    Status begin_call(
        CCallPort&, const char*, size_t, bool, bool, shared_ptr[COutgoingCall]&) except +
    int next_reply(COutgoingCall&, Status&, string&) except +
    shared_ptr[const CModelPlan] plan_of(const shared_ptr[CModelPlan]&)
