// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/policy.h"

#include <algorithm>
#include <utility>

namespace penstock {

BatchPolicy::BatchPolicy(std::int64_t max_batch_size, std::vector<std::int64_t> preferred_sizes,
                         std::uint64_t max_queue_delay_us)
    : max_batch_(std::max<std::int64_t>(max_batch_size, 1)),
      delay_ns_(static_cast<std::int64_t>(
          std::min<std::uint64_t>(max_queue_delay_us, INT64_MAX / 2000) * 1000)),
      preferred_(std::move(preferred_sizes)) {
  if (preferred_.empty()) preferred_.push_back(max_batch_);
  std::sort(preferred_.begin(), preferred_.end());
  max_preferred_ = preferred_.back();
}

BatchDecision BatchPolicy::decide(std::span<const BatchCandidate> queue,
                                  std::int64_t now_ns) const {
  if (queue.empty()) return {};
  std::int64_t total = 0;
  std::size_t count = 0;
  std::size_t preferred_count = 0;
  std::int64_t next_expiry = kNoDeadline;
  std::int64_t oldest = kNoDeadline;  // a lower priority's may be older than the first
  bool closed = false;                // nothing that arrives later can join
  for (const auto& candidate : queue) {
    const std::int64_t size = std::max<std::int64_t>(candidate.batch_size, 1);
    if (count > 0 && (!candidate.compatible || total + size > max_batch_)) {
      closed = true;
      break;
    }
    total += size;
    ++count;
    next_expiry = std::min(next_expiry, candidate.expires_ns);
    oldest = std::min(oldest, candidate.queued_ns);
    if (std::binary_search(preferred_.begin(), preferred_.end(), total)) preferred_count = count;
  }
  const std::int64_t send_at = oldest + delay_ns_;
  const bool overdue = now_ns >= send_at;
  if (preferred_count > 0 && !overdue) return {preferred_count, kNoDeadline};
  if (closed || total >= max_preferred_ || overdue) return {count, kNoDeadline};
  return {0, std::min(send_at, next_expiry)};
}

}  // namespace penstock
