// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What sequence batching adds to a plan, for plan_sequence.pxi: enumerations and byte arrays, which
// Cython cannot say. No Python here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "penstock/plan.h"

namespace penstock::binding {

inline void set_strategy(ModelPlan& plan, bool oldest) {
  plan.scheduler = oldest ? SchedulerKind::kOldest : SchedulerKind::kDirect;
}

inline void copy_value(const std::string& bytes, std::array<std::byte, 4>& to) {
  std::memcpy(to.data(), bytes.data(), std::min(bytes.size(), to.size()));
}

// kind: 0 START, 1 READY, 2 END, 3 CORRID, as in model_config.proto.
inline void add_control(ModelPlan& plan, std::uint32_t input, int kind,
                        const std::string& false_value, const std::string& true_value) {
  TensorSpec& spec = plan.inputs[input];
  spec.source = TensorSource::kControl;
  spec.source_index = static_cast<std::uint32_t>(plan.sequence.controls.size());
  SequenceControl& control = plan.sequence.controls.emplace_back();
  control.kind = static_cast<ControlKind>(kind);
  copy_value(false_value, control.false_value);
  copy_value(true_value, control.true_value);
  ++plan.supplied_inputs;
}

// `hidden`: clients do not see the output.
inline void add_state(ModelPlan& plan, std::uint32_t input, std::uint32_t output,
                      const Shape& initial_dims, const std::string& initial_data, bool same_buffer,
                      bool hidden) {
  SequenceState& state = plan.sequence.states.emplace_back();
  const auto index = static_cast<std::uint32_t>(plan.sequence.states.size() - 1);
  state.input = input;
  state.output = output;
  state.initial_dims = initial_dims;
  state.initial_data.resize(initial_data.size());
  std::memcpy(state.initial_data.data(), initial_data.data(), initial_data.size());
  state.same_buffer = same_buffer;
  plan.inputs[input].source = TensorSource::kState;
  plan.inputs[input].source_index = index;
  ++plan.supplied_inputs;
  if (!hidden) return;
  plan.outputs[output].source = TensorSource::kState;
  plan.outputs[output].source_index = index;
  ++plan.hidden_outputs;
}

}  // namespace penstock::binding
