# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libcpp cimport bool
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string

from status cimport Status

cdef extern from "penstock/header_rules.h" namespace "penstock" nogil:
    cdef cppclass RequiredHeader:
        string name
        string value

    cdef cppclass CHeaderForwarding "const penstock::HeaderForwarding":
        pass

    cdef cppclass CHeaderRules "penstock::HeaderRules":
        RequiredHeader for_health
        RequiredHeader for_inference
        shared_ptr[CHeaderForwarding] forwarding
        bool trace_context

cdef extern from "header_shim.h" namespace "penstock::binding" nogil:
    Status compile_forwarding(const string&, shared_ptr[CHeaderForwarding]&) except +
    Status takes_header(CHeaderForwarding&, const string&, bool&) except +
