# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# The steps of an ensemble's plan.
from libc.stdint cimport uint32_t
from libcpp.vector cimport vector

from plan cimport Ensemble, EnsembleMapping, EnsembleStep


cdef int fill_mappings(vector[EnsembleMapping]& to, object mappings, dict numbers) except -1:
    cdef EnsembleMapping mapping
    for tensor, name in mappings:
        mapping.tensor = (<str?>tensor).encode()
        mapping.ensemble = <uint32_t>numbers[name]
        to.push_back(mapping)
    return 0


# `ensemble`: config.plan_ensemble.EnsembleData.
cdef int fill_ensemble(Ensemble& to, object ensemble) except -1:
    cdef EnsembleStep* step
    cdef size_t i
    cdef dict numbers = {name: i for i, name in enumerate(ensemble.tensors)}
    for name in ensemble.tensors:
        to.tensors.push_back((<str?>name).encode())
    to.steps.resize(len(ensemble.steps))
    for i, data in enumerate(ensemble.steps):
        step = &to.steps[i]
        step.model = (<str?>data.model).encode()
        step.version = data.version
        step.decoupled = data.decoupled
        fill_mappings(step.inputs, data.inputs, numbers)
        fill_mappings(step.outputs, data.outputs, numbers)
    to.max_inflight_requests = ensemble.max_inflight_requests
    return 0
