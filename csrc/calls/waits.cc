// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "calls/waits.h"

#include <algorithm>

namespace penstock::calls {

bool Waits::add(const ModelCaller& caller, const ModelPlan& target) {
  targets_[&caller].push_back(&target);
  Path path;
  if (can_go_on(target, path)) return true;
  remove(caller, target);
  return false;
}

void Waits::remove(const ModelCaller& caller, const ModelPlan& target) {
  const auto found = targets_.find(&caller);
  if (found == targets_.end()) return;
  auto& targets = found->second;
  const auto at = std::find(targets.begin(), targets.end(), &target);
  if (at != targets.end()) targets.erase(at);
  if (targets.empty()) targets_.erase(found);
}

// A model on the path waits for what is asked here: that it could go on is to be shown first.
bool Waits::can_go_on(const ModelPlan& plan, Path& path) const {
  if (std::find(path.begin(), path.end(), &plan) != path.end()) return false;
  path.push_back(&plan);
  bool can = true;
  if (plan.scheduler == SchedulerKind::kEnsemble) {
    can = steps_can(plan, path);
  } else {
    std::uint32_t stuck = 0;
    for (const auto& [caller, targets] : targets_) {
      if (caller->plan() != &plan) continue;
      const bool goes_on = std::all_of(targets.begin(), targets.end(), [&](const auto* target) {
        return can_go_on(*target, path);
      });
      if (!goes_on) ++stuck;
    }
    can = stuck < plan.instance_count;
  }
  path.pop_back();
  return can;
}

bool Waits::steps_can(const ModelPlan& plan, Path& path) const {
  return std::all_of(plan.ensemble.steps.begin(), plan.ensemble.steps.end(), [&](const auto& step) {
    const auto found = engine_.find(step.model, step.version);
    return !found.ok() || can_go_on(found.value()->plan(), path);  // unknown: it fails by itself
  });
}

}  // namespace penstock::calls
