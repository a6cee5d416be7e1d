# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Engine and ModelVersion.
from cython.operator cimport dereference as deref
from libc.stdint cimport int64_t, uint32_t
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

from backend cimport CBatch, CNativeInstance
from buffer cimport BufferPoolStats
from engine cimport (
    BatchStat,
    CEngine,
    CModelVersion,
    DurationStat,
    ModelStatistics,
    ModelVersionRef,
    ResponseStat,
    WarmUpInput,
)
from shim cimport create_model, failures_of, find_model, make_engine, sweep, warm_up

FAILURE_REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")


cdef dict duration(const DurationStat& stat):
    return {"count": stat.count, "ns": stat.ns}


cdef dict batch_row(const BatchStat& row):
    return {
        "batch_size": row.batch_size,
        "compute_input": duration(row.compute_input),
        "compute_infer": duration(row.compute_infer),
        "compute_output": duration(row.compute_output),
    }


cdef dict response_row(const ResponseStat& row):
    return {
        "compute_infer": duration(row.compute_infer),
        "compute_output": duration(row.compute_output),
        "success": duration(row.success),
        "fail": duration(row.fail),
        "empty_response": duration(row.empty_response),
        "cancel": duration(row.cancel),
    }


cdef dict statistics_dict(const ModelStatistics& s):
    return {
        "last_inference": s.last_inference_ms,
        "inference_count": s.inference_count,
        "execution_count": s.execution_count,
        "inference_stats": {
            "success": duration(s.success),
            "fail": duration(s.fail),
            "queue": duration(s.queue),
            "compute_input": duration(s.compute_input),
            "compute_infer": duration(s.compute_infer),
            "compute_output": duration(s.compute_output),
            "cache_hit": duration(s.cache_hit),
            "cache_miss": duration(s.cache_miss),
        },
        "batch_stats": [batch_row(s.batches[i]) for i in range(s.batches.size())],
        "response_stats": {
            str(i): response_row(s.responses[i]) for i in range(s.responses.size())
        },
        "failures": {name: failures_of(s, i) for i, name in enumerate(FAILURE_REASONS)},
        "pending": s.pending,
        "cached": s.cached,
    }


cdef class NativeInstance:
    cdef unique_ptr[CNativeInstance] instance


cdef class ModelVersion:
    cdef ModelVersionRef model
    cdef shared_ptr[CEngine] engine
    cdef readonly ModelPlan plan
    cdef vector[unique_ptr[CBatch]] spare  # empty batches, for instances to come back to

    def __init__(self):
        raise TypeError("model versions come from Engine.create()")

    def __dealloc__(self):
        with nogil:  # the last owner waits for the instances' threads
            self.model.reset()
            self.engine.reset()

    @property
    def name(self):
        return self.plan.name

    @property
    def version(self):
        return self.plan.version

    @property
    def alive(self):
        return self.model.get().alive()

    def set_alive(self, bint alive):
        self.model.get().set_alive(alive)

    def statistics(self):
        return statistics_dict(self.model.get().statistics())

    cdef int check_index(self, uint32_t index) except -1:
        if index >= self.plan.instance_count:
            raise InvalidArgError(f"model '{self.name}' has no instance {index}")
        return 0

    def start_native(self, uint32_t index, NativeInstance instance not None):
        self.check_index(index)
        if instance.instance.get() == NULL:
            raise InvalidArgError("a native instance can be started once")
        self.model.get().start(index, move(instance.instance))

    def warm_up(self, uint32_t index, requests):
        self.check_index(index)
        cdef vector[vector[WarmUpInput]] samples
        cdef WarmUpInput input
        cdef Tensor tensor
        cdef Status status
        cdef CModelVersion* model = self.model.get()
        for inputs in requests:
            samples.emplace_back()
            for name, value in inputs:
                tensor = as_tensor(value)
                input.name = utf8(name)
                input.view = tensor.view
                input.lease = tensor.lease
                samples.back().push_back(input)
        with nogil:
            status = warm_up(deref(model), index, samples)
        check(status)

    def next(self, uint32_t index):
        self.check_index(index)
        sweep()
        cdef Batch batch = new_batch(self, index)
        cdef bint found
        cdef CModelVersion* model = self.model.get()
        with nogil:
            found = model.next(index, deref(batch.batch))
        if not found:
            return None
        batch.active = True
        return batch

    def complete(self, uint32_t index, Batch batch not None):
        self.check_index(index)
        if not batch.active or batch.model is not self:
            raise InvalidArgError("the batch is not one that this model is executing")
        if batch.index != index:
            raise InvalidArgError(f"the batch is executed by instance {batch.index}, not {index}")
        batch.active = False
        self.model.get().complete(index, deref(batch.batch))
        batch.batch = NULL
        self.spare.push_back(move(batch.owned))


cdef class Engine:
    cdef shared_ptr[CEngine] engine
    # name -> {version: ModelVersion}: the plans' Python side of what is published
    cdef dict published

    def __cinit__(
        self,
        *,
        unsigned int max_requests=65536,
        size_t pool_cached_bytes=268435456,
        size_t response_cache_bytes=0,
        bint pinned=False,
    ):
        self.engine = make_engine(
            max_requests, pool_cached_bytes, response_cache_bytes, pinned
        )
        self.published = {}

    def __dealloc__(self):
        with nogil:  # the last owner waits for the instances' threads
            self.engine.reset()

    def create(self, ModelPlan plan not None):
        cdef ModelVersion model = ModelVersion.__new__(ModelVersion)
        check(create_model(deref(self.engine), plan.plan, model.model))
        model.engine = self.engine
        model.plan = plan
        return model

    def publish(self, str name not None, ready, not_ready=()):
        cdef vector[ModelVersionRef] models
        cdef vector[int64_t] unready
        cdef ModelVersion model
        cdef dict versions = {}
        for model in ready:
            models.push_back(model.model)
            versions[model.version] = model
        for version in not_ready:
            unready.push_back(<int64_t>version)
        self.engine.get().publish(utf8(name), models, unready)
        self.published[name] = versions

    def forget(self, str name not None):
        self.engine.get().forget(utf8(name))
        self.published.pop(name, None)

    def retire(self, ModelVersion model not None, double timeout_s=30.0):
        cdef int64_t timeout_ns = <int64_t>(max(0.0, min(timeout_s, 1e9)) * 1e9)
        cdef CEngine* engine = self.engine.get()
        with nogil:
            engine.retire(model.model, timeout_ns)

    def stop_accepting(self):
        self.engine.get().stop_accepting()

    def find(self, str name not None, int64_t version=-1):
        cdef ModelVersionRef found
        check(find_model(deref(self.engine), utf8(name), version, found))
        cdef int64_t found_version = found.get().plan().version
        return self.published[name][found_version]

    @property
    def in_flight(self):
        return self.engine.get().in_flight()

    @property
    def memory_report(self):
        return self.engine.get().memory_report().decode()

    def pool_stats(self):
        cdef BufferPoolStats stats = self.engine.get().pool().stats()
        return {
            "acquired": stats.acquired,
            "system_allocs": stats.system_allocs,
            "cached_bytes": stats.cached_bytes,
            "in_use_bytes": stats.in_use_bytes,
        }
