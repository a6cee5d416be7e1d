// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/direct_policy.h"

#include <algorithm>

namespace penstock {

DirectPolicy::DirectPolicy(const ModelPlan& plan)
    : slots_(static_cast<double>(std::max<std::int64_t>(plan.max_batch_size, 1))),
      minimum_utilization_(plan.sequence.minimum_slot_utilization),
      delay_ns_(static_cast<std::int64_t>(
          std::min<std::uint64_t>(plan.sequence.max_queue_delay_us, INT64_MAX / 2000) * 1000)) {}

DirectDecision DirectPolicy::decide(std::size_t ready, std::int64_t oldest_ns,
                                    std::int64_t now_ns) const {
  const bool enough = static_cast<double>(ready) / slots_ >= minimum_utilization_;
  const std::int64_t run_at = oldest_ns + delay_ns_;
  if (enough || now_ns >= run_at) return {true, kNoDeadline};
  return {false, run_at};
}

}  // namespace penstock
