// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Small plans that the tests of several rooms start from.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "penstock/plan.h"

namespace penstock::testing {

inline TensorSpec tensor_spec(std::string name, DataType type, Shape dims) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.type = type;
  spec.dims = dims;
  return spec;
}

// One FP32 input "IN" and output "OUT" of two elements.
inline ModelPlan pair_plan(std::int64_t max_batch_size) {
  ModelPlan plan;
  plan.name = "m";
  plan.max_batch_size = max_batch_size;
  plan.inputs.push_back(tensor_spec("IN", DataType::kFp32, Shape{2}));
  plan.outputs.push_back(tensor_spec("OUT", DataType::kFp32, Shape{2}));
  return plan;
}

inline ModelPlan dynamic_plan(std::int64_t max_batch_size) {
  ModelPlan plan = pair_plan(max_batch_size);
  plan.scheduler = SchedulerKind::kDynamic;
  return plan;
}

}  // namespace penstock::testing
