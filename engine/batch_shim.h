// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What batch inputs and outputs add to a plan, for plan_batch.pxi: enumerations, which Cython
// cannot say. No Python here.
#pragma once

#include <cstdint>

#include "penstock/plan.h"

namespace penstock::binding {

// kind: as in model_config.proto.
inline void add_batch_input(ModelPlan& plan, std::uint32_t input, int kind, std::uint32_t source) {
  plan.inputs[input].source = TensorSource::kBatch;
  plan.inputs[input].source_index = static_cast<std::uint32_t>(plan.batch_inputs.size());
  plan.batch_inputs.push_back({static_cast<BatchInputKind>(kind), source});
  ++plan.supplied_inputs;
}

inline void add_batch_output(ModelPlan& plan, std::uint32_t output, std::uint32_t source) {
  plan.batch_outputs.push_back({output, source});
}

}  // namespace penstock::binding
