// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// BatchPolicy: when to send a batch, and how much of the queue to put into it (contract S-2, S-3).
//
// A pure function of a snapshot of the queue and the time, so it is tested with tables. Thread
// safety: immutable after construction. Nothing blocks or allocates per call.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "penstock/clock.h"
#include "penstock/plan.h"

namespace penstock {

// One waiting request, in the order of service.
struct BatchCandidate {
  std::int64_t batch_size = 1;
  std::int64_t queued_ns = 0;
  std::int64_t expires_ns = kNoDeadline;  // queue time-out or deadline
  bool compatible = true;                 // can share a batch with the first candidate
};

struct BatchDecision {
  std::size_t take = 0;                      // requests to send now; 0: wait
  std::int64_t wait_until_ns = kNoDeadline;  // when to ask again, if nothing arrives before
};

class BatchPolicy {
 public:
  explicit BatchPolicy(const ModelPlan& plan)  // of the dynamic batcher
      : BatchPolicy(plan.max_batch_size, plan.dynamic.preferred_batch_sizes,
                    plan.dynamic.max_queue_delay_us) {}
  BatchPolicy(std::int64_t max_batch_size, std::vector<std::int64_t> preferred_sizes,
              std::uint64_t max_queue_delay_us);
  [[nodiscard]] BatchDecision decide(std::span<const BatchCandidate> queue,
                                     std::int64_t now_ns) const;
  // How much of the queue decide() can ever use.
  [[nodiscard]] std::size_t horizon() const { return static_cast<std::size_t>(max_batch_) + 1; }

 private:
  std::int64_t max_batch_;
  std::int64_t max_preferred_;
  std::int64_t delay_ns_;
  std::vector<std::int64_t> preferred_;  // ascending
};

}  // namespace penstock
