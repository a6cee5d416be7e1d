// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Reaper: the thread that answers requests whose time is up while no instance is idle to notice.
//
// It sleeps until the earliest expiry of any model, or until a cancellation hurries it; a model is
// swept at most once in kPause, which is how late an answer can be. The thread is started by the
// first request that can expire. Thread safety: all methods, any thread. Ownership: watches models
// without keeping them. Only its own thread blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "penstock/clock.h"
#include "sync/due_time.h"
#include "sync/parker.h"

namespace penstock {

// What the reaper looks after.
class Sweepable {
 public:
  virtual ~Sweepable() = default;
  // Answers what must not wait any longer; says when to come again.
  virtual std::int64_t sweep(std::int64_t now_ns) = 0;
};

class Reaper {
 public:
  static constexpr std::int64_t kPause = 2'000'000;  // ns

  explicit Reaper(const Clock& clock) : clock_(clock) {}
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  void watch(std::weak_ptr<Sweepable> model);
  // Something will be due at `when_ns`. Costs a load unless it is earlier than all before.
  void expect(std::int64_t when_ns);
  // Something may be due now: a sweep follows within kPause.
  void hurry() { expect(clock_.now_ns() + kPause); }

 private:
  void start();
  void run();
  // Sweeps all; when the next of them is due.
  [[nodiscard]] std::int64_t sweep();

  const Clock& clock_;
  DueTime due_;
  Parker parker_;
  std::atomic<bool> stopping_{false};
  std::once_flag started_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<Sweepable>> models_;  // under mutex_
  std::thread thread_;
};

}  // namespace penstock
