# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# GrpcDoor: the native gRPC listener.
from libc.stdint cimport int64_t
from libcpp.memory cimport unique_ptr

from grpc_door cimport (
    CGrpcDoor,
    GrpcDoorCounters,
    GrpcDoorOptions,
    set_compression,
    start_grpc_door,
)

cdef enum:
    MS = 1000000  # nanoseconds


cdef int64_t door_ns(double seconds) noexcept:
    return <int64_t>(max(0.0, min(seconds, 1e9)) * 1e9)


cdef class GrpcDoor:
    cdef unique_ptr[CGrpcDoor] door

    def __init__(
        self,
        Engine engine not None,
        int listener,
        *,
        str upstream_path not None="",
        unsigned int threads=1,
        str compression not None="none",
        unsigned int max_connections=10000,
        unsigned int max_streams=256,
        unsigned long long max_in_flight_bytes=1 << 30,
        int64_t keepalive_time_ms=7200000,
        int64_t keepalive_timeout_ms=20000,
        bint keepalive_permit_without_calls=False,
        int64_t min_recv_ping_interval_ms=300000,
        int max_ping_strikes=2,
        int64_t max_connection_age_ms=0,
        int64_t max_connection_age_grace_ms=0,
        HeaderRules rules=None,
    ):
        cdef GrpcDoorOptions options
        options.listener = listener
        options.upstream_path = upstream_path.encode()
        options.threads = threads
        set_compression(options, ("none", "deflate", "gzip").index(compression))
        options.limits.max_connections = max_connections
        options.limits.max_streams = max_streams
        options.limits.max_in_flight_bytes = max_in_flight_bytes
        options.keepalive.time_ns = min(keepalive_time_ms, 1 << 42) * MS
        options.keepalive.timeout_ns = min(keepalive_timeout_ms, 1 << 42) * MS
        options.keepalive.permit_without_calls = keepalive_permit_without_calls
        options.keepalive.min_recv_ping_interval_ns = min(min_recv_ping_interval_ms, 1 << 42) * MS
        options.keepalive.max_ping_strikes = max_ping_strikes
        options.keepalive.max_age_ns = min(max_connection_age_ms, 1 << 42) * MS
        options.keepalive.max_age_grace_ns = min(max_connection_age_grace_ms, 1 << 42) * MS
        if rules is not None:
            options.rules = rules.rules
        check(start_grpc_door(engine.engine, options, self.door))

    def __dealloc__(self):
        with nogil:
            self.door.reset()

    def set_state(self, *, bint started, bint ready, bint exiting):
        self.door.get().set_state(started, ready, exiting)

    def stop_accepting(self):
        self.door.get().stop_accepting()

    def drain(self, double timeout_s):
        cdef int64_t timeout_ns = door_ns(timeout_s)
        cdef CGrpcDoor* door = self.door.get()
        cdef bint done
        with nogil:
            done = door.drain(timeout_ns)
        return done

    def stop(self, double timeout_s):
        cdef int64_t timeout_ns = door_ns(timeout_s)
        cdef CGrpcDoor* door = self.door.get()
        with nogil:
            door.stop(timeout_ns)

    def counters(self):
        cdef GrpcDoorCounters c = self.door.get().counters()
        return {
            "connections_opened": c.connections_opened,
            "connections_closed": c.connections_closed,
            "calls_begun": c.calls_begun,
            "calls_ended": c.calls_ended,
            "inferences": c.inferences,
            "passed_on": c.passed_on,
            "refused": c.refused,
            "bytes_received": c.bytes_received,
            "bytes_sent": c.bytes_sent,
            "in_flight_bytes": c.in_flight_bytes,
        }
