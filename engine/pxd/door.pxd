# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string

from engine cimport CEngine
from header_rules cimport CHeaderRules
from status cimport Status

cdef extern from "penstock/door.h" namespace "penstock" nogil:
    cdef cppclass HttpDoorLimits:
        uint32_t max_connections
        uint64_t max_in_flight_bytes
        uint64_t max_input_bytes
        uint64_t max_body_bytes
        uint32_t max_target_bytes
        uint32_t max_fields_bytes
        int64_t header_timeout_ns
        int64_t body_timeout_ns
        int64_t idle_timeout_ns
        int64_t send_timeout_ns
        uint64_t min_bytes_per_second

    cdef cppclass HttpDoorOptions:
        int listener
        string upstream_path
        uint32_t threads
        HttpDoorLimits limits
        CHeaderRules rules

    cdef cppclass HttpDoorCounters:
        uint64_t connections_opened, connections_closed
        uint64_t requests_begun, requests_ended
        uint64_t inferences
        uint64_t passed_on
        uint64_t refused
        uint64_t bytes_received, bytes_sent
        uint64_t in_flight_bytes

    cdef cppclass CHttpDoor "penstock::HttpDoor":
        void set_state(bool, bool, bool)
        void stop_accepting() except +
        bool drain(int64_t) except +
        void stop(int64_t) except +
        HttpDoorCounters counters()

cdef extern from "door_shim.h" namespace "penstock::binding" nogil:
    Status start_http_door(
        const shared_ptr[CEngine]&, const HttpDoorOptions&, unique_ptr[CHttpDoor]&) except +
