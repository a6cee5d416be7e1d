// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// LimitedInstances: how the instances of a model that the rate limiter limits (contract 4.5) come
// to their batches: an instance first asks for what it needs, and only then takes what waits, so
// that a batch grows until it can be executed.
//
// Thread safety: all methods, any thread; next() of one index from one thread at a time. Ownership:
// shares the limiter, borrows the scheduler. Only next() blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "sched/rate_limiter.h"
#include "sched/scheduler.h"

namespace penstock {

class LimitedInstances final : private RateLimiter::Listener {
 public:
  LimitedInstances(std::shared_ptr<RateLimiter> limiter, Scheduler& scheduler, const Clock& clock)
      : limiter_(std::move(limiter)), scheduler_(scheduler), clock_(clock) {}
  ~LimitedInstances() override;

  // Once, before all else. Errors: see ResourcePools::add.
  [[nodiscard]] Status join(const ModelPlan& plan);
  // As Scheduler::next(). A batch is executed from here until the instance's next call.
  [[nodiscard]] bool next(std::uint32_t instance, Batch& batch);
  // What waits has changed. As Scheduler::wake().
  void wake();
  // There will be no batch any more.
  void retire();

 private:
  [[nodiscard]] Poll poll(std::uint32_t instance, Batch& batch);
  [[nodiscard]] Poll try_run(std::uint32_t instance, Batch& batch);
  void may_run() override { scheduler_.parker().notify_all(); }

  // When what waits is due, as far as the last one that looked knows: until then, or until more
  // comes, others need not look. Of instances that share a queue.
  struct Quiet {
    std::uint64_t wakes = 0;
    std::int64_t until_ns = 0;
  };
  [[nodiscard]] std::int64_t quiet_until(std::int64_t now_ns);

  const std::shared_ptr<RateLimiter> limiter_;
  Scheduler& scheduler_;
  const Clock& clock_;
  RateLimiter::Group* group_ = nullptr;
  std::atomic<std::uint64_t> wakes_{0};
  std::mutex quiet_mutex_;
  Quiet quiet_;  // under quiet_mutex_
};

}  // namespace penstock
