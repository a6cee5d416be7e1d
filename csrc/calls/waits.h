// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Waits: which instances wait for which models, and whether a model can still answer.
//
// A model can go on while one of its instances does not wait, or waits for models that can. An
// ensemble can while all its steps can. Thread safety: the caller's lock. Ownership: none; plans
// and callers must live while they are named. Nothing blocks.
#pragma once

#include <map>
#include <vector>

#include "penstock/engine.h"
#include "penstock/model_calls.h"

namespace penstock::calls {

class Waits {
 public:
  explicit Waits(const Engine& engine) : engine_(engine) {}
  // False, and nothing is noted, when it would wait for ever.
  [[nodiscard]] bool add(const ModelCaller& caller, const ModelPlan& target);
  void remove(const ModelCaller& caller, const ModelPlan& target);

 private:
  using Path = std::vector<const ModelPlan*>;
  [[nodiscard]] bool can_go_on(const ModelPlan& plan, Path& path) const;
  [[nodiscard]] bool steps_can(const ModelPlan& plan, Path& path) const;

  const Engine& engine_;
  std::map<const ModelCaller*, std::vector<const ModelPlan*>> targets_;
};

}  // namespace penstock::calls
