// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// OldestScheduler: the next requests of an instance's sequences are batched like those of a dynamic
// model, the oldest first, one of each sequence at a time (S-27).
//
// preserve_ordering needs nothing: an instance answers its batches one after the other. Thread
// safety: as Scheduler.
#pragma once

#include <vector>

#include "batch/policy.h"
#include "sched/sequence_scheduler.h"

namespace penstock {

class OldestScheduler final : public SequenceScheduler {
 public:
  OldestScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
      : SequenceScheduler(plan, clock, sink),
        policy_(plan.max_batch_size, plan.sequence.preferred_batch_sizes,
                plan.sequence.max_queue_delay_us) {}

 private:
  [[nodiscard]] Poll form(std::uint32_t instance, const Due& due, std::int64_t now_ns,
                          Batch& batch) override;

  const BatchPolicy policy_;
  std::vector<BatchCandidate> candidates_;  // under the lock, reused
};

}  // namespace penstock
