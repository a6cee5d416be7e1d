# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# HeaderForwarding and HeaderRules: headers beside the protocols' own.
from libcpp cimport bool as cbool
from libcpp.memory cimport shared_ptr

from header_rules cimport (
    CHeaderForwarding,
    CHeaderRules,
    RequiredHeader,
    compile_forwarding,
    takes_header,
)


cdef class HeaderForwarding:
    cdef shared_ptr[CHeaderForwarding] forwarding

    def __init__(self, str pattern not None):
        check(compile_forwarding(utf8(pattern), self.forwarding))

    def select(self, headers):
        cdef list selected = []
        cdef cbool taken = False
        for name, value in headers:
            check(takes_header(deref(self.forwarding), utf8(<str?>name), taken))
            if taken:
                selected.append((name, value))
        return selected


cdef class HeaderRules:
    cdef CHeaderRules rules

    def __init__(
        self,
        *,
        for_health=None,
        for_inference=None,
        HeaderForwarding forwarding=None,
        bint trace_context=False,
    ):
        require(self.rules.for_health, for_health)
        require(self.rules.for_inference, for_inference)
        if forwarding is not None:
            self.rules.forwarding = forwarding.forwarding
        self.rules.trace_context = trace_context


cdef int require(RequiredHeader& to, header) except -1:
    if header is not None:
        name, value = header
        to.name = utf8(<str?>name)
        to.value = utf8(<str?>value)
    return 0
