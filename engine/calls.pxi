# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Models that call models (BLS): the server's side, and what a model's instance has of it.
from libcpp.memory cimport shared_ptr

from calls cimport (
    CCallPort,
    CCallReply,
    CCallRequest,
    CCallResponse,
    CModelCalls,
    COutgoingCall,
    begin_call,
    c_local_calls,
    make_calls,
    next_answer,
    plan_of,
)
from plan cimport CModelPlan


@cython.no_gc_clear  # its end needs the engine
cdef class ModelCalls:
    cdef shared_ptr[CModelCalls] calls
    cdef Engine engine

    def __init__(self, Engine engine not None):
        self.engine = engine
        self.calls = make_calls(deref(engine.engine))

    def __dealloc__(self):
        with nogil:  # it waits for the answers of what is open
            self.calls.reset()

    @property
    def open(self):
        return self.calls.get().open()

    def port(self, ModelPlan plan=None):
        cdef CallPort port = CallPort.__new__(CallPort)
        cdef shared_ptr[const CModelPlan] caller
        if plan is not None:
            caller = plan_of(plan.plan)
        port.port = c_local_calls(self.calls, caller)
        port.owner = self
        return port


@cython.no_gc_clear
cdef class CallPort:
    cdef shared_ptr[CCallPort] port
    cdef object owner

    def __init__(self):
        raise TypeError("ports come from ModelCalls.port() and attach_worker()")

    def __dealloc__(self):
        with nogil:
            self.port.reset()

    def begin(
        self, ModelRequest request not None, dict parameters not None, *, bint many, bint blocking
    ):
        cdef OutgoingCall call = OutgoingCall.__new__(OutgoingCall)
        cdef CCallRequest said
        cdef list kept = []
        cdef Status status
        fill_call(request, parameters, said, kept)
        with nogil:
            status = begin_call(deref(self.port), said, many, blocking, call.call)
        check(status)
        call.port = self
        return call


@cython.no_gc_clear
cdef class OutgoingCall:
    cdef shared_ptr[COutgoingCall] call
    cdef CallPort port

    def __init__(self):
        raise TypeError("calls come from CallPort.begin()")

    def __dealloc__(self):
        with nogil:
            self.call.reset()

    def next(self, type response_type not None, type tensor_type not None):
        cdef CCallResponse said
        cdef CCallReply reply  # `said` borrows from it
        cdef bint found
        with nogil:
            found = next_answer(deref(self.call), reply, said)
        if not found:
            return None
        check(reply.status)
        return answered(response_type, tensor_type, said)

    def cancel(self):
        with nogil:
            self.call.get().cancel()
