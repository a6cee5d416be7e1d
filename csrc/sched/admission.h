// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Can a request that comes now meet its deadline? Estimated from what waits and from how long
// executions took.
//
// An estimate errs on the side of letting in: it takes batches to be full and what runs to be half
// done, and a request that an idle instance would take at once is never late, however long
// executions took so far; else a model that was slow once would never be measured again. Thread
// safety: functions of a snapshot; ServiceTime from any thread. Nothing blocks, locks or allocates.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

// How long an execution takes: an exponentially weighted mean, a new one counts an eighth.
class ServiceTime {
 public:
  void observe(std::int64_t ns) {
    // relaxed: an estimate; of instances that finish at the same time one may be left out
    const std::int64_t mean = mean_ns_.load(std::memory_order_relaxed);
    mean_ns_.store(mean == 0 ? ns : mean + (ns - mean) / 8, std::memory_order_relaxed);
  }
  // 0: nothing was executed yet.
  [[nodiscard]] std::int64_t ns() const { return mean_ns_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> mean_ns_{0};
};

struct WorkAhead {
  std::uint64_t requests = 0;   // that wait, and are served before
  std::uint64_t per_batch = 1;  // so many of them are executed together
  std::uint32_t instances = 1;
  bool idle_instance = false;  // one at least has nothing to do
  std::int64_t service_ns = 0;
};

// Until an instance takes a request that comes now; 0: at once, or nobody knows.
[[nodiscard]] std::int64_t expected_wait_ns(const WorkAhead& work);

// By how much the answer would come too late for a client that waits `left_ns`; 0: in time.
[[nodiscard]] std::int64_t late_by_ns(const WorkAhead& work, std::int64_t left_ns);

}  // namespace penstock
