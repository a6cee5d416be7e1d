# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
cdef extern from "penstock/completion.h" namespace "penstock" nogil:
    cdef cppclass CompletionNode:
        CompletionNode* next

    cdef cppclass Waker:
        pass

    cdef cppclass WakeFd(Waker):
        WakeFd() except +
        void drain()
        int fd()

    cdef cppclass CompletionRing:
        CompletionRing(Waker&)
        void arm()
        CompletionNode* take_all()
