# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# TensorSpec and ModelPlan.
from libc.stdint cimport int32_t, int64_t
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from plan cimport (
    CModelPlan,
    CTensorSpec,
    InstanceLimit,
    InstanceResource,
    QueuePolicy,
    kDelay,
    kDynamic,
    kEnsemble,
)
from shim cimport set_reshape, set_type
from tensor cimport Shape

from penstock.errors import InternalError, InvalidArgError


cdef int fill_shape(Shape& shape, object dims, str what) except -1:
    for dim in dims:
        if not shape.try_push_back(<int64_t>dim):
            raise InvalidArgError(f"{what} has more than 16 dimensions")
    return 0


cdef tuple shape_tuple(const Shape& shape):
    return tuple([shape[i] for i in range(shape.rank())])


cdef class TensorSpec:
    cdef CTensorSpec spec
    cdef readonly str name
    cdef readonly int data_type
    cdef readonly tuple dims

    def __init__(
        self,
        str name not None,
        int data_type,
        dims,
        *,
        reshape=None,
        bint optional=False,
        bint allow_ragged_batch=False,
        bint is_shape_tensor=False,
        labels=(),
    ):
        if not 0 < data_type < 15:
            raise InvalidArgError(f"'{name}' has no valid data type: {data_type}")
        cdef Shape reshaped
        self.name = name
        self.data_type = data_type
        self.dims = tuple(dims)
        self.spec.name = name.encode()
        set_type(self.spec, data_type)
        fill_shape(self.spec.dims, self.dims, f"'{name}'")
        if reshape is not None:
            fill_shape(reshaped, reshape, f"reshape of '{name}'")
            set_reshape(self.spec, reshaped)
        self.spec.optional = optional
        self.spec.allow_ragged_batch = allow_ragged_batch
        self.spec.is_shape_tensor = is_shape_tensor
        for label in labels:
            self.spec.labels.push_back((<str?>label).encode())


cdef int fill_policy(QueuePolicy& to, object policy) except -1:
    if policy.timeout_delay:
        to.timeout_action = kDelay
    to.default_timeout_us = policy.default_timeout_us
    to.allow_timeout_override = policy.allow_timeout_override
    to.max_queue_size = policy.max_queue_size
    return 0


# `limit`: config.plan_limits.InstanceLimitData.
cdef int add_limit(vector[InstanceLimit]& limits, object limit) except -1:
    cdef InstanceResource resource
    limits.emplace_back()
    limits.back().priority = limit.priority
    limits.back().device = limit.device
    for name, count, is_global in limit.resources:
        resource.name = (<str?>name).encode()
        resource.count = count
        resource.is_global = is_global
        limits.back().resources.push_back(resource)
    return 0


cdef class ModelPlan:
    cdef shared_ptr[CModelPlan] plan
    cdef readonly str name
    cdef readonly tuple inputs
    cdef readonly tuple outputs
    cdef dict output_numbers  # by name
    cdef set told  # of outputs that are not what the configuration says

    def __init__(
        self,
        *,
        str name not None,
        int64_t version,
        int64_t max_batch_size,
        inputs,
        outputs,
        bint dynamic_batching=False,
        preferred_batch_sizes=(),
        unsigned long long max_queue_delay_us=0,
        bint preserve_ordering=False,
        queue_policy=None,
        unsigned int default_priority_level=0,
        level_policies=(),
        unsigned int queue_capacity=4096,
        unsigned int instance_count=1,
        instance_limits=(),
        instance_devices=(),
        bint decoupled=False,
        bint outputs_as_given=False,
        bint cached=False,
        bint warm_up=False,
        first_response_bounds_ms=(),
        double summary_error=0.0,
        ensemble=None,
        sequence=None,
        batch=None,
    ):
        cdef TensorSpec spec
        self.plan = make_shared[CModelPlan]()
        self.told = set()
        cdef CModelPlan* plan = self.plan.get()
        self.name = name
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.output_numbers = {(<TensorSpec?>spec).name: i for i, spec in enumerate(self.outputs)}
        plan.name = name.encode()
        plan.version = version
        plan.max_batch_size = max_batch_size
        for spec in self.inputs:
            plan.inputs.push_back(spec.spec)
        for spec in self.outputs:
            plan.outputs.push_back(spec.spec)
        if dynamic_batching:
            plan.scheduler = kDynamic
        for size in preferred_batch_sizes:
            plan.dynamic.preferred_batch_sizes.push_back(<int64_t>size)
        plan.dynamic.max_queue_delay_us = max_queue_delay_us
        plan.dynamic.preserve_ordering = preserve_ordering
        if queue_policy is not None:
            fill_policy(plan.dynamic.default_policy, queue_policy)
        plan.dynamic.priority_levels = len(level_policies)
        plan.dynamic.default_priority_level = default_priority_level
        plan.dynamic.level_policies.resize(len(level_policies))
        for i, policy in enumerate(level_policies):
            fill_policy(plan.dynamic.level_policies[<size_t>i], policy)
        plan.queue_capacity = queue_capacity
        plan.instance_count = instance_count
        for limit in instance_limits:
            add_limit(plan.instance_limits, limit)
        for device in instance_devices:
            plan.instance_devices.push_back(<int32_t>device)
        plan.decoupled = decoupled
        plan.outputs_as_given = outputs_as_given
        plan.cached = cached
        plan.warm_up = warm_up
        plan.first_response_bounds_ms = first_response_bounds_ms
        plan.summary_error = summary_error
        if ensemble is not None:
            plan.scheduler = kEnsemble
            fill_ensemble(plan.ensemble, ensemble)
        if sequence is not None:
            fill_sequence(plan[0], sequence)
        if batch is not None:
            fill_batch(plan[0], batch)

    @property
    def version(self):
        return self.plan.get().version

    @property
    def max_batch_size(self):
        return self.plan.get().max_batch_size

    @property
    def instance_count(self):
        return self.plan.get().instance_count

    @property
    def decoupled(self):
        return self.plan.get().decoupled
