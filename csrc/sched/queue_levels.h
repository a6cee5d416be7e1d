// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// QueueLevels: priority levels, their queue policies, and how many requests wait in each (S-1,
// S-7).
//
// Thread safety: all methods, any thread. Ownership: borrows the plan. Nothing blocks or allocates
// per call.
#pragma once

#include <cstdint>
#include <memory>

#include "penstock/plan.h"
#include "penstock/request.h"
#include "sync/bounded_count.h"

namespace penstock {

class QueueLevels {
 public:
  explicit QueueLevels(const ModelPlan& plan);

  [[nodiscard]] std::size_t size() const { return size_; }
  // 0 is served first. An unknown priority is the default level's.
  [[nodiscard]] std::size_t level_of(const Request& request) const {
    if (size_ == 1) return 0;
    const std::uint64_t asked = request.priority;
    return (asked == 0 || asked > size_ ? dynamic_.default_priority_level : asked) - 1;
  }
  [[nodiscard]] const QueuePolicy& policy(std::size_t level) const {
    return dynamic_.priority_levels == 0 ? dynamic_.default_policy : dynamic_.level_policies[level];
  }
  // Counts a request into its level's queue; false, and not counted, when that is full.
  [[nodiscard]] bool enter(const Request& request);
  void leave(const Request& request);
  // Requests that wait in the request's level and in those that are served before it. Only of
  // models that have levels.
  [[nodiscard]] std::uint64_t up_to(const Request& request) const;
  // When a request that was queued at `queued_ns` leaves unserved by its level's policy.
  [[nodiscard]] std::int64_t expires_ns(const Request& request) const;

 private:
  const DynamicBatching& dynamic_;
  const std::size_t size_;
  bool counted_ = false;  // there is more than one, or it has a max_queue_size
  std::unique_ptr<BoundedCount[]> queued_;
};

}  // namespace penstock
