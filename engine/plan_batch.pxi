# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# The batch inputs and outputs of a plan.
from libc.stdint cimport uint32_t

from plan cimport CModelPlan
from shim cimport add_batch_input, add_batch_output


# `batch`: config.plan_batch.BatchData. Its inputs stand before those that were supplied so far.
cdef int fill_batch(CModelPlan& plan, object batch) except -1:
    cdef size_t supplied = plan.supplied_inputs + len(batch.inputs)
    if supplied > plan.inputs.size():
        raise InternalError("the plan lacks batch inputs")
    cdef uint32_t first = <uint32_t>(plan.inputs.size() - supplied)
    for i, made in enumerate(batch.inputs):
        add_batch_input(plan, first + <uint32_t>i, made.kind, source_of(plan, made.source))
    for cut in batch.outputs:
        add_batch_output(plan, output_of(plan, cut.output), source_of(plan, cut.source))
    return 0


cdef uint32_t source_of(CModelPlan& plan, str name) except? 0xFFFFFFFF:
    cdef int input = plan.find_model_input(name.encode())
    if input < 0:
        raise InternalError(f"the plan lacks the source input '{name}'")
    return <uint32_t>input


cdef uint32_t output_of(CModelPlan& plan, str name) except? 0xFFFFFFFF:
    cdef int output = plan.find_model_output(name.encode())
    if output < 0:
        raise InternalError(f"the plan lacks the batch output '{name}'")
    return <uint32_t>output
