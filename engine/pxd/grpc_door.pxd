# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string

from engine cimport CEngine
from header_rules cimport CHeaderRules
from status cimport Status

cdef extern from "penstock/grpc_door.h" namespace "penstock" nogil:
    cdef cppclass GrpcDoorLimits:
        uint32_t max_connections
        uint32_t max_streams
        uint64_t max_in_flight_bytes

    cdef cppclass GrpcKeepalive:
        int64_t time_ns
        int64_t timeout_ns
        bool permit_without_calls
        int64_t min_recv_ping_interval_ns
        int32_t max_ping_strikes
        int64_t max_age_ns
        int64_t max_age_grace_ns

    cdef cppclass GrpcDoorOptions:
        int listener
        string upstream_path
        uint32_t threads
        GrpcDoorLimits limits
        GrpcKeepalive keepalive
        CHeaderRules rules

    cdef cppclass GrpcDoorCounters:
        uint64_t connections_opened
        uint64_t connections_closed
        uint64_t calls_begun
        uint64_t calls_ended
        uint64_t inferences
        uint64_t passed_on
        uint64_t refused
        uint64_t bytes_received
        uint64_t bytes_sent
        uint64_t in_flight_bytes

    cdef cppclass CGrpcDoor "penstock::GrpcDoor":
        void set_state(bool, bool, bool)
        void stop_accepting() except +
        bool drain(int64_t) except +
        void stop(int64_t) except +
        GrpcDoorCounters counters()

cdef extern from "grpc_door_shim.h" namespace "penstock::binding" nogil:
    Status start_grpc_door(
        const shared_ptr[CEngine]&, const GrpcDoorOptions&, unique_ptr[CGrpcDoor]&
    ) except +
    void set_compression(GrpcDoorOptions&, int)
