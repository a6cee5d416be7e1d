# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Engine and ModelVersion.
from cython.operator cimport dereference as deref
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libcpp.map cimport map as cmap
from libcpp.memory cimport shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

from backend cimport CBatch, CNativeInstance
from buffer cimport BufferPoolStats
from engine cimport (
    CEngine,
    CModelVersion,
    ModelVersionRef,
    RedisOptions,
    RemoteCacheState,
    WarmUpInput,
)
from plan cimport ResourceCount
from shim cimport (
    create_model,
    find_model,
    health_of,
    make_engine,
    notices_fd,
    remote_cache_state,
    set_device,
    sweep,
    take_notices,
    warm_up,
)


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
    def problem(self):
        cdef string text
        health_of(deref(self.model), text)
        return text.decode("utf-8", "replace")

    def set_problem(self, str problem not None):
        self.model.get().set_problem(utf8(problem))

    def statistics(self):
        return statistics_dict(self.model.get().statistics())

    def summaries(self, quantiles):
        cdef vector[double] wanted = quantiles
        return summaries_dict(deref(self.model.get()), wanted)

    cdef int check_index(self, uint32_t index) except -1:
        if index >= self.model.get().instance_limit():
            raise InvalidArgError(f"model '{self.name}' has no instance {index}")
        return 0

    def start_native(self, uint32_t index, NativeInstance instance not None):
        self.check_index(index)
        if instance.instance.get() == NULL:
            raise InvalidArgError("a native instance can be started once")
        self.model.get().start(index, move(instance.instance))

    @property
    def instance_limit(self):
        return self.model.get().instance_limit()

    def end_instance(self, uint32_t index):
        cdef Status status
        cdef CModelVersion* model = self.model.get()
        with nogil:
            status = model.end_instance(index)
        check(status)

    def warm_up(self, uint32_t index, requests):
        if index >= self.plan.instance_count:
            raise InvalidArgError(f"model '{self.name}' has no instance {index}")
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


cdef RedisOptions redis_options(redis) except *:
    cdef RedisOptions options
    cdef int64_t ms = 1000000
    options.host = utf8(redis.host)
    options.port = redis.port
    options.user = utf8(redis.user)
    options.password = utf8(redis.password)
    options.db = redis.db
    options.connect_timeout_ns = ms * <int64_t>redis.connect_timeout_ms
    options.socket_timeout_ns = ms * <int64_t>redis.socket_timeout_ms
    options.wait_timeout_ns = ms * <int64_t>redis.wait_timeout_ms
    return options


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
        redis=None,
        bint pinned=False,
        bint devices=False,
        cuda_libraries=(),
        device_pool_bytes=None,
        bint rate_limited=False,
        resources=(),
        bint short_work_first=False,
    ):
        cdef vector[ResourceCount] counts
        cdef vector[string] libraries
        cdef cmap[int32_t, uint64_t] pools
        for name, count, device in resources:
            counts.emplace_back()
            counts.back().name = utf8(name)
            counts.back().count = count
            if device is not None:
                set_device(counts.back(), device)
        for path in cuda_libraries:
            libraries.push_back(utf8(<str?>path))
        for device, size in (device_pool_bytes or {}).items():
            pools[<int32_t>device] = <uint64_t>size
        cdef vector[RedisOptions] remote
        if redis is not None:
            remote.push_back(redis_options(redis))
        self.engine = make_engine(
            max_requests,
            pool_cached_bytes,
            response_cache_bytes,
            remote,
            pinned,
            rate_limited,
            counts,
            devices,
            libraries,
            pools,
            short_work_first,
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

    def publish(self, str name not None, ready, not_ready=(), bint on_demand=False):
        cdef vector[ModelVersionRef] models
        cdef vector[int64_t] unready
        cdef ModelVersion model
        cdef dict versions = {}
        for model in ready:
            models.push_back(model.model)
            versions[model.version] = model
        for version in not_ready:
            unready.push_back(<int64_t>version)
        self.engine.get().publish(utf8(name), models, unready, on_demand)
        self.published[name] = versions

    def refuse(self, str name not None, error not None):
        self.engine.get().refuse(utf8(name), status_of(int(error.code), utf8(error.message)))
        self.published.pop(name, None)

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

    def remote_cache_state(self):
        cdef RemoteCacheState state
        if not remote_cache_state(deref(self.engine), state):
            return None
        return state.up, state.changes, state.text.decode("utf-8", "replace")

    def notices_fileno(self):
        return notices_fd(deref(self.engine))

    def take_notices(self):
        cdef uint64_t dropped = 0
        cdef vector[string] lines = take_notices(deref(self.engine), dropped)
        return [line.decode("utf-8", "replace") for line in lines], dropped

    def wanted_models_fileno(self):
        return self.engine.get().wanted_models_fd()

    def take_wanted_models(self):
        cdef vector[string] names = self.engine.get().take_wanted_models()
        return [name.decode("utf-8", "replace") for name in names]

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
