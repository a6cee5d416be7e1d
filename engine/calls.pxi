# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Models that call models (BLS): the server's side, and what a model's instance has of it.
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string

from calls cimport (
    CCallPort,
    CModelCalls,
    COutgoingCall,
    begin_call,
    c_local_calls,
    make_calls,
    next_reply,
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

    def begin(self, bytes message not None, *, bint many, bint blocking):
        cdef OutgoingCall call = OutgoingCall.__new__(OutgoingCall)
        cdef Status status
        cdef const char* data = message
        cdef size_t size = len(message)
        with nogil:
            status = begin_call(deref(self.port), data, size, many, blocking, call.call)
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

    def next(self):
        cdef Status status
        cdef string message
        cdef int found
        with nogil:
            found = next_reply(deref(self.call), status, message)
        if found == 0:
            return None
        return (None if status.ok() else error_of(status)), <bytes>message, found == 2

    def cancel(self):
        with nogil:
            self.call.get().cancel()


def tensor_from_bytes(bytes data not None, int data_type, shape):
    cdef Tensor tensor
    if not 1 <= data_type < 15:
        raise InvalidArgError(f"no data type has the number {data_type}")
    tensor = tensor_of_buffer(data, data_type, shape)
    return tensor
