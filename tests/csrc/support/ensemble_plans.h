// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Ensembles of pair_plan models, and models that are any function of a batch.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "penstock/backend.h"
#include "support/plans.h"

namespace penstock::testing {

// Any function of a batch.
class Function final : public NativeInstance {
 public:
  explicit Function(std::function<void(Batch&)> body) : body_(std::move(body)) {}
  void execute(Batch& batch) override { body_(batch); }

 private:
  std::function<void(Batch&)> body_;
};

struct Step {
  std::string model;
  std::string from;  // ensemble tensor that becomes IN
  std::string to;    // ensemble tensor that OUT becomes
  bool decoupled = false;
};

inline ModelPlan ensemble_plan(std::vector<std::string> outputs, const std::vector<Step>& steps) {
  ModelPlan plan = pair_plan(8);
  plan.name = "e";
  plan.scheduler = SchedulerKind::kEnsemble;
  plan.outputs.clear();
  std::map<std::string, std::uint32_t> numbers;
  const auto number = [&](const std::string& name) {
    const auto [at, added] = numbers.emplace(name, plan.ensemble.tensors.size());
    if (added) plan.ensemble.tensors.push_back(name);
    return at->second;
  };
  number("IN");
  for (const auto& name : outputs) {
    plan.outputs.push_back(tensor_spec(name, DataType::kFp32, Shape{2}));
    number(name);
  }
  for (const auto& step : steps) {
    EnsembleStep& made = plan.ensemble.steps.emplace_back();
    made.model = step.model;
    made.decoupled = step.decoupled;
    made.inputs.push_back({"IN", number(step.from)});
    made.outputs.push_back({"OUT", number(step.to)});
  }
  return plan;
}

}  // namespace penstock::testing
