# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# CompletionPort: responses, back on the event loop that asked for them.
from libcpp.memory cimport unique_ptr

from completion cimport CompletionNode, CompletionRing, WakeFd
from request cimport Response


cdef class CompletionPort:
    cdef unique_ptr[WakeFd] waker
    cdef unique_ptr[CompletionRing] ring
    cdef Engine engine

    def __cinit__(self, Engine engine not None):
        self.engine = engine
        self.waker.reset(new WakeFd())
        self.ring.reset(new CompletionRing(deref(self.waker)))

    def __dealloc__(self):
        self.ring.reset()  # before the waker: a push may be on its way out

    def fileno(self):
        return self.waker.get().fd()

    def drain(self):
        cdef Response* response
        cdef object failure = None
        self.waker.get().drain()
        self.ring.get().arm()  # before taking: what comes later wakes the loop again
        cdef CompletionNode* node = self.ring.get().take_all()
        while node != NULL:
            response = <Response*>node
            node = node.next
            try:
                (<InferCall>response.request.tag).arrived(response)
            except BaseException as error:  # say, a future of a closed loop; the rest must hear
                failure = error
        sweep()
        if failure is not None:
            raise failure
