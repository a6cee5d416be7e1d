# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Traces: what is to be traced, and the records of what was.
from libc.stdint cimport int64_t, uint64_t
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from trace cimport (
    TraceRecord,
    Tracer,
    TraceSettings,
    TraceStamp,
    TraceTensor,
    number_of,
    of_client,
    text_of,
)


cdef class EngineTracer:
    cdef Engine engine

    def __init__(self, Engine engine not None):
        self.engine = engine

    cdef Tracer* tracer(self):
        return &self.engine.engine.get().tracer()

    def set(
        self, str model not None, *, bint on, bint tensors, uint64_t rate, int64_t count,
        uint64_t generation
    ):
        cdef TraceSettings settings
        cdef string name = utf8(model)
        settings.tensors = tensors
        settings.rate = rate
        settings.count = count
        settings.generation = generation
        cdef const TraceSettings* chosen = &settings if on else NULL
        if model:
            self.tracer().set(name, chosen)
        else:
            self.tracer().set(chosen)

    def inherit(self, str model not None):
        self.tracer().inherit(utf8(model))

    def take(self, double timeout_s):
        cdef vector[unique_ptr[TraceRecord]] records
        cdef int64_t timeout_ns = <int64_t>(max(0.0, min(timeout_s, 3600.0)) * 1e9)
        cdef Tracer* tracer = self.tracer()
        with nogil:
            tracer.take(records, timeout_ns)
        return [record_dict(deref(records[i])) for i in range(records.size())]

    @property
    def dropped(self):
        return self.tracer().dropped()


cdef str decoded(const string& text):
    return text.decode("utf-8", "replace")


cdef dict record_dict(const TraceRecord& record):
    cdef size_t i
    return {
        "id": record.id,
        "parent_id": record.parent_id,
        "root_id": record.root_id,
        "generation": record.generation,
        "model": decoded(record.model),
        "version": record.version,
        "request_id": decoded(record.request_id),
        "context": decoded(record.context),
        "error": decoded(record.error),
        "of_client": of_client(record),
        "stamps": [stamp_tuple(record.stamps[i]) for i in range(record.stamps.size())],
        "tensors": [tensor_tuple(record.tensors[i]) for i in range(record.tensors.size())],
    }


cdef tuple stamp_tuple(const TraceStamp& stamp):
    return decoded(text_of(stamp.name)), stamp.ns


cdef tuple tensor_tuple(const TraceTensor& tensor):
    return (
        decoded(text_of(tensor.activity)),
        decoded(tensor.name),
        number_of(tensor.type),
        shape_tuple(tensor.shape),
        <bytes>tensor.data,
    )
