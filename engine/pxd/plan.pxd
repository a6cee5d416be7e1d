# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.string cimport string
from libcpp.vector cimport vector

from tensor cimport DataType, Shape

cdef extern from "penstock/plan.h" namespace "penstock" nogil:
    cdef cppclass CTensorSpec "penstock::TensorSpec":
        string name
        DataType type
        Shape dims
        bool optional
        bool allow_ragged_batch
        bool is_shape_tensor
        vector[string] labels

    cdef cppclass SchedulerKind:
        pass

    cdef cppclass TimeoutAction:
        pass

    cdef cppclass QueuePolicy:
        TimeoutAction timeout_action
        uint64_t default_timeout_us
        bool allow_timeout_override
        uint32_t max_queue_size

    cdef cppclass DynamicBatching:
        vector[int64_t] preferred_batch_sizes
        uint64_t max_queue_delay_us
        bool preserve_ordering
        QueuePolicy default_policy
        uint32_t priority_levels
        uint32_t default_priority_level
        vector[QueuePolicy] level_policies

    cdef cppclass EnsembleMapping "penstock::EnsembleStep::Mapping":
        string tensor
        uint32_t ensemble

    cdef cppclass EnsembleStep:
        string model
        int64_t version
        bool decoupled
        vector[EnsembleMapping] inputs
        vector[EnsembleMapping] outputs

    cdef cppclass Ensemble:
        vector[string] tensors
        vector[EnsembleStep] steps
        uint32_t max_inflight_requests

    cdef cppclass SequenceBatching:
        uint64_t max_idle_us
        bool iterative
        double minimum_slot_utilization
        uint64_t max_queue_delay_us
        uint32_t max_candidate_sequences
        vector[int64_t] preferred_batch_sizes
        bool preserve_ordering

    cdef cppclass BatchInput:
        pass

    cdef cppclass InstanceResource:
        string name
        uint32_t count
        bool is_global "global"

    cdef cppclass InstanceLimit:
        vector[InstanceResource] resources
        uint32_t priority
        int32_t device

    cdef cppclass ResourceCount:
        string name
        uint64_t count

    cdef cppclass CModelPlan "penstock::ModelPlan":
        string name
        int64_t version
        int64_t max_batch_size
        vector[CTensorSpec] inputs
        vector[CTensorSpec] outputs
        SchedulerKind scheduler
        DynamicBatching dynamic
        SequenceBatching sequence
        vector[BatchInput] batch_inputs
        Ensemble ensemble
        uint32_t instance_count
        vector[InstanceLimit] instance_limits
        vector[int32_t] instance_devices
        uint32_t queue_capacity
        bool decoupled
        bool outputs_as_given
        uint32_t supplied_inputs
        size_t client_inputs()
        size_t client_outputs()
        bool cached
        bool warm_up
        vector[double] first_response_bounds_ms
        double summary_error
        int find_input(string)
        int find_output(string)
        int find_model_input(string)
        int find_model_output(string)
        bool describes(uint32_t, DataType, const Shape&) nogil

cdef extern from "penstock/plan.h" namespace "penstock::SchedulerKind" nogil:
    SchedulerKind kDynamic
    SchedulerKind kEnsemble

cdef extern from "penstock/plan.h" namespace "penstock::TimeoutAction" nogil:
    TimeoutAction kDelay
