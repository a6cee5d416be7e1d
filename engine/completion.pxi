# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# CompletionPort: finished calls, back on the event loop that made them.
from cpython.ref cimport Py_DECREF
from libcpp.memory cimport unique_ptr

from completion cimport CompletionNode, CompletionRing, WakeFd
from request cimport Response


cdef class CompletionPort:
    cdef unique_ptr[WakeFd] waker
    cdef unique_ptr[CompletionRing] ring
    cdef Engine engine

    def __init__(self, Engine engine not None):
        self.engine = engine
        self.waker.reset(new WakeFd())
        self.ring.reset(new CompletionRing(deref(self.waker)))

    def fileno(self):
        return self.waker.get().fd()

    def drain(self):
        cdef InferCall call
        cdef CompletionNode* next_node
        self.waker.get().drain()
        self.ring.get().arm()  # before taking: what comes later wakes the loop again
        cdef CompletionNode* node = self.ring.get().take_all()
        while node != NULL:
            next_node = node.next
            call = <InferCall>(<Response*>node).request.tag
            call.in_flight = False
            future = call.future
            call.future = None
            if not future.done():
                future.set_result(None)
            Py_DECREF(call)  # the count that submit() took
            node = next_node
        sweep()
