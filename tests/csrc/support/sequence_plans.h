// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Plans of sequence models: clients give IN [1] and get OUT [1], both FP32.
#pragma once

#include <cstring>
#include <string>
#include <utility>

#include "support/plans.h"

namespace penstock::testing {

inline ModelPlan sequence_plan(SchedulerKind kind, std::int64_t max_batch_size) {
  ModelPlan plan = pair_plan(max_batch_size);
  plan.scheduler = kind;
  plan.inputs[0].dims = Shape{1};
  plan.outputs[0].dims = Shape{1};
  return plan;
}

template <typename T>
SequenceControl control(ControlKind kind, T false_value, T true_value) {
  static_assert(sizeof(T) <= 4);
  SequenceControl made;
  made.kind = kind;
  std::memcpy(made.false_value.data(), &false_value, sizeof(T));
  std::memcpy(made.true_value.data(), &true_value, sizeof(T));
  return made;
}

inline void add_control(ModelPlan& plan, std::string name, DataType type, SequenceControl made) {
  TensorSpec spec = tensor_spec(std::move(name), type, Shape{1});
  spec.source = TensorSource::kControl;
  spec.source_index = static_cast<std::uint32_t>(plan.sequence.controls.size());
  plan.inputs.push_back(std::move(spec));
  plan.sequence.controls.push_back(made);
  ++plan.supplied_inputs;
}

// START, READY and END as INT32 0 and 1, CORRID as UINT64, under these names.
inline void add_all_controls(ModelPlan& plan) {
  add_control(plan, "START", DataType::kInt32, control(ControlKind::kStart, 0, 1));
  add_control(plan, "READY", DataType::kInt32, control(ControlKind::kReady, 0, 1));
  add_control(plan, "END", DataType::kInt32, control(ControlKind::kEnd, 0, 1));
  add_control(plan, "CORRID", DataType::kUint64, control(ControlKind::kCorrelationId, 0, 0));
}

// An FP32 state, input and output of that name, that starts as `initial`; hidden from clients.
inline void add_state(ModelPlan& plan, std::string name, Shape dims, std::vector<float> initial) {
  const auto index = static_cast<std::uint32_t>(plan.sequence.states.size());
  for (auto* specs : {&plan.inputs, &plan.outputs}) {
    TensorSpec spec = tensor_spec(name, DataType::kFp32, dims);
    spec.source = TensorSource::kState;
    spec.source_index = index;
    specs->push_back(std::move(spec));
  }
  SequenceState& state = plan.sequence.states.emplace_back();
  state.input = static_cast<std::uint32_t>(plan.inputs.size() - 1);
  state.output = static_cast<std::uint32_t>(plan.outputs.size() - 1);
  state.initial_dims = Shape{static_cast<std::int64_t>(initial.size())};
  state.initial_data.resize(initial.size() * sizeof(float));
  std::memcpy(state.initial_data.data(), initial.data(), state.initial_data.size());
  ++plan.supplied_inputs;
  ++plan.hidden_outputs;
}

}  // namespace penstock::testing
