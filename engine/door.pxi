# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# HttpDoor: the native HTTP listener.
from door cimport CHttpDoor, HttpDoorCounters, HttpDoorLimits, HttpDoorOptions, start_http_door

# About 30 years; more seconds than that are as good as for ever.
cdef double LONGEST_S = 1e9


cdef int64_t nanoseconds(double seconds):
    return <int64_t>(max(0.0, min(seconds, LONGEST_S)) * 1e9)


cdef class HttpDoor:
    cdef unique_ptr[CHttpDoor] door
    cdef Engine engine

    def __init__(
        self,
        Engine engine not None,
        int listener,
        *,
        str upstream_path="",
        uint32_t threads=1,
        max_connections=None,
        max_in_flight_bytes=None,
        max_input_bytes=None,
        max_body_bytes=None,
        header_timeout_s=None,
        body_timeout_s=None,
        idle_timeout_s=None,
        send_timeout_s=None,
        min_bytes_per_second=None,
        HeaderRules rules=None,
    ):
        cdef HttpDoorOptions options
        cdef HttpDoorLimits* limits = &options.limits
        options.listener = listener
        options.upstream_path = upstream_path.encode()
        options.threads = threads
        if max_connections is not None:
            limits.max_connections = max_connections
        if max_in_flight_bytes is not None:
            limits.max_in_flight_bytes = max_in_flight_bytes
        if max_input_bytes is not None:
            limits.max_input_bytes = max_input_bytes
        if max_body_bytes is not None:
            limits.max_body_bytes = max_body_bytes
        if header_timeout_s is not None:
            limits.header_timeout_ns = nanoseconds(header_timeout_s)
        if body_timeout_s is not None:
            limits.body_timeout_ns = nanoseconds(body_timeout_s)
        if idle_timeout_s is not None:
            limits.idle_timeout_ns = nanoseconds(idle_timeout_s)
        if send_timeout_s is not None:
            limits.send_timeout_ns = nanoseconds(send_timeout_s)
        if min_bytes_per_second is not None:
            limits.min_bytes_per_second = min_bytes_per_second
        if rules is not None:
            options.rules = rules.rules
        self.engine = engine
        check(start_http_door(engine.engine, options, self.door))

    def __dealloc__(self):
        with nogil:
            self.door.reset()

    def set_state(self, *, bint started, bint ready, bint exiting):
        self.door.get().set_state(started, ready, exiting)

    def stop_accepting(self):
        self.door.get().stop_accepting()

    def drain(self, double timeout_s):
        cdef int64_t timeout_ns = nanoseconds(timeout_s)
        cdef bint idle
        cdef CHttpDoor* door = self.door.get()
        with nogil:
            idle = door.drain(timeout_ns)
        return idle

    def stop(self, double timeout_s=0.0):
        cdef int64_t timeout_ns = nanoseconds(timeout_s)
        cdef CHttpDoor* door = self.door.get()
        with nogil:
            door.stop(timeout_ns)

    def counters(self):
        cdef HttpDoorCounters c = self.door.get().counters()
        return {
            "connections_opened": c.connections_opened,
            "connections_closed": c.connections_closed,
            "requests_begun": c.requests_begun,
            "requests_ended": c.requests_ended,
            "inferences": c.inferences,
            "passed_on": c.passed_on,
            "refused": c.refused,
            "bytes_received": c.bytes_received,
            "bytes_sent": c.bytes_sent,
            "in_flight_bytes": c.in_flight_bytes,
        }
