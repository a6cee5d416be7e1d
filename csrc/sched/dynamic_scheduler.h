// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DynamicScheduler: merges waiting requests into batches (contract 4.2).
//
// Submitters only touch the ring. An idle instance takes the former's lock, moves the ring's
// content to the pending queue, asks BatchPolicy, and leaves with a batch or with the time to ask
// again; only idle instances ever contend for the lock. Thread safety: as Scheduler.
#pragma once

#include <mutex>
#include <vector>

#include "batch/policy.h"
#include "sched/pending_queue.h"
#include "sched/scheduler.h"

namespace penstock {

class DynamicScheduler final : public Scheduler {
 public:
  DynamicScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink);
  [[nodiscard]] Poll poll(std::int64_t now_ns, Batch& batch) override;
  void finished() override;

 private:
  void take_arrivals();
  // Turns away, or delays, what must not run now, as far as form() can reach.
  void drop_expired(std::int64_t now_ns);
  // Decides over the front of `queue` and, when a batch is due, moves it out.
  [[nodiscard]] Poll form(PendingQueue& queue, std::int64_t now_ns, Batch& batch);
  [[nodiscard]] bool stays(Request* request, std::int64_t now_ns);

  const BatchPolicy policy_;
  const bool delaying_;  // S-7 DELAY
  std::mutex former_;
  PendingQueue pending_;                    // under former_
  PendingQueue delayed_;                    // under former_: expired, policy DELAY (S-7)
  std::vector<BatchCandidate> candidates_;  // under former_, reused
  int outstanding_ = 0;                     // under former_: batches executing
};

}  // namespace penstock
