// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/queue_levels.h"

#include <algorithm>

#include "penstock/clock.h"

namespace penstock {
namespace {

std::int64_t after(std::int64_t start_ns, std::uint64_t us) {
  constexpr std::uint64_t kMaxUs = INT64_MAX / 4000;
  return start_ns + static_cast<std::int64_t>(std::min(us, kMaxUs) * 1000);
}

}  // namespace

QueueLevels::QueueLevels(const ModelPlan& plan)
    : dynamic_(plan.dynamic), size_(std::max<std::uint32_t>(plan.dynamic.priority_levels, 1)) {
  counted_ = size_ > 1 || policy(0).max_queue_size > 0;
  if (counted_) queued_ = std::make_unique<BoundedCount[]>(size_);
}

bool QueueLevels::enter(const Request& request) {
  if (!counted_) return true;
  const std::size_t level = level_of(request);
  const std::uint64_t limit = policy(level).max_queue_size;
  return queued_[level].try_enter(limit == 0 ? UINT64_MAX : limit);
}

void QueueLevels::leave(const Request& request) {
  if (!counted_) return;
  queued_[level_of(request)].leave();
}

std::uint64_t QueueLevels::up_to(const Request& request) const {
  std::uint64_t waiting = 0;
  for (std::size_t i = 0; i <= level_of(request); ++i) {
    waiting += queued_[i].count();
  }
  return waiting;
}

std::int64_t QueueLevels::expires_ns(const Request& request) const {
  const QueuePolicy& own = policy(level_of(request));
  std::uint64_t timeout_us = own.default_timeout_us;
  // S-7, X-28: a request's own time-out only lowers a default that is there.
  if (own.allow_timeout_override && request.timeout_us > 0) {
    timeout_us = std::min(timeout_us, request.timeout_us);
  }
  return timeout_us == 0 ? kNoDeadline : after(request.times.queued, timeout_us);
}

}  // namespace penstock
