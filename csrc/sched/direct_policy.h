// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DirectPolicy: when an instance of the direct strategy runs (S-26). A pure function of a snapshot
// of its slots. Thread safety: immutable. Nothing blocks or allocates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "penstock/clock.h"
#include "penstock/plan.h"

namespace penstock {

struct DirectDecision {
  bool run = false;
  std::int64_t wait_until_ns = kNoDeadline;  // when to ask again, if nothing arrives before
};

class DirectPolicy {
 public:
  explicit DirectPolicy(const ModelPlan& plan);
  // `ready` slots have a request, the oldest of them since `oldest_ns`. At least one.
  [[nodiscard]] DirectDecision decide(std::size_t ready, std::int64_t oldest_ns,
                                      std::int64_t now_ns) const;

 private:
  double slots_;
  double minimum_utilization_;
  std::int64_t delay_ns_;
};

}  // namespace penstock
