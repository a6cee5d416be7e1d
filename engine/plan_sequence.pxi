# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# The sequence batching of a plan.
from libc.stdint cimport int64_t, uint32_t

from plan cimport CModelPlan
from shim cimport add_control, add_state, set_strategy
from tensor cimport Shape


# `sequence`: config.plan_sequence.SequenceData. Controls, then states are the last of the inputs.
cdef int fill_sequence(CModelPlan& plan, object sequence) except -1:
    cdef size_t supplied = len(sequence.controls) + len(sequence.states)
    if supplied > plan.inputs.size():
        raise InternalError("the plan lacks inputs of its sequence batching")
    cdef uint32_t input = <uint32_t>(plan.inputs.size() - supplied)
    set_strategy(plan, sequence.oldest)
    for control in sequence.controls:
        add_control(plan, input, control.kind, control.false_value, control.true_value)
        input += 1
    for state in sequence.states:
        fill_state(plan, input, state)
        input += 1
    plan.sequence.max_idle_us = sequence.max_idle_us
    plan.sequence.iterative = sequence.iterative
    plan.sequence.minimum_slot_utilization = sequence.minimum_slot_utilization
    plan.sequence.max_queue_delay_us = sequence.max_queue_delay_us
    plan.sequence.max_candidate_sequences = sequence.max_candidate_sequences
    for size in sequence.preferred_batch_sizes:
        plan.sequence.preferred_batch_sizes.push_back(<int64_t>size)
    plan.sequence.preserve_ordering = sequence.preserve_ordering
    return 0


cdef int fill_state(CModelPlan& plan, uint32_t input, object state) except -1:
    cdef Shape dims
    cdef int output = plan.find_model_output((<str?>state.output).encode())
    if output < 0:
        raise InternalError(f"the plan lacks the state output '{state.output}'")
    fill_shape(dims, state.initial_dims, f"initial state of '{state.output}'")
    add_state(
        plan, input, <uint32_t>output, dims, state.initial_data, state.same_buffer, state.hidden
    )
    return 0
