// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DefaultScheduler: one request an execution, any idle instance, oldest first (contract 4.1).
//
// Instances take requests straight off the ring. Only a sweep, which has to look at requests in the
// middle, moves what stays to a queue under a lock, where instances find it first. Thread safety:
// as Scheduler.
#pragma once

#include <atomic>
#include <mutex>

#include "sched/pending_queue.h"
#include "sched/scheduler.h"

namespace penstock {

class DefaultScheduler final : public Scheduler {
 public:
  DefaultScheduler(const ModelPlan& plan, const Clock& clock, RejectSink& sink)
      : Scheduler(plan, clock, sink), swept_(plan.queue_capacity) {}
  [[nodiscard]] Poll poll(std::uint32_t instance, std::int64_t now_ns, Batch& batch) override;
  std::int64_t sweep(std::int64_t now_ns) override;

 private:
  // The oldest request that waits; false: there is none.
  [[nodiscard]] bool take(Request*& request);

  std::mutex sweep_mutex_;
  PendingQueue swept_;  // under sweep_mutex_: older than all of the ring
  std::atomic<bool> any_swept_{false};
};

}  // namespace penstock
