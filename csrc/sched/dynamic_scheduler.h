// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DynamicScheduler: merges waiting requests into batches (contract 4.2).
//
// Submitters only touch the ring. An idle instance takes the former's lock, moves the ring's
// content to the queues of its priority levels, asks BatchPolicy, and leaves with a batch or with
// the time to ask again; only idle instances ever contend for the lock. Thread safety: as
// Scheduler.
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
  [[nodiscard]] Poll poll(std::uint32_t instance, std::int64_t now_ns, Batch& batch) override;
  std::int64_t sweep(std::int64_t now_ns) override;

 private:
  struct Level {
    explicit Level(std::size_t capacity) : pending(capacity), delayed(capacity) {}
    PendingQueue pending;
    PendingQueue delayed;  // expired, policy DELAY (S-7)
  };

  void take_arrivals();
  // Turns away, or delays, what must not run now, until `wanted` of each queue are looked at and
  // stay.
  void drop_expired(std::size_t index, std::int64_t now_ns, std::size_t wanted);
  [[nodiscard]] bool stays(std::size_t index, Request* request, std::int64_t now_ns);
  // Adds the front of a queue to the candidates; false when nothing behind it can join any more.
  [[nodiscard]] bool consider(PendingQueue& queue, bool delayed);
  void gather_candidates();
  void take(std::size_t count, Batch& batch);
  void take_from(PendingQueue& queue, std::size_t& count, Batch& batch);
  [[nodiscard]] bool empty() const;

  const BatchPolicy policy_;
  std::mutex former_;
  std::vector<Level> queues_;               // under former_, one a priority level
  std::vector<BatchCandidate> candidates_;  // under former_, reused
  const Request* first_ = nullptr;          // under former_: of the candidates
};

}  // namespace penstock
