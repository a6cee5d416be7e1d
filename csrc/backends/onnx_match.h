// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Does a ModelPlan fit an ONNX model, and which tensor is which (contract 5.2, load checks). Pure;
// thread safe; owns nothing.
#pragma once

#include <vector>

#include "penstock/native_backends.h"

namespace penstock {

struct OnnxBinding {
  const OnnxTensorInfo* tensor = nullptr;
  // The model wants rank 0 where the configuration, which cannot say so, has dims [1].
  bool scalar = false;
};

struct OnnxBindings {
  std::vector<OnnxBinding> inputs;   // in the order of the plan
  std::vector<OnnxBinding> outputs;  // in the order of the plan
};

[[nodiscard]] Status match_plan(const ModelPlan& plan, const OnnxModel& model,
                                OnnxBindings& bindings);

}  // namespace penstock
