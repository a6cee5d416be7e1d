// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// StatisticsCell: the counters of one instance (or of the requests that never reached one).
//
// Thread safety: one writer a batch and the scrapes meet at a mutex that requests of other
// instances never touch. Nothing blocks for longer than copying a few numbers.
#pragma once

#include <map>
#include <mutex>

#include "penstock/engine.h"

namespace penstock {

// What one answered request adds, all in ns of the engine's clock.
struct RequestDurations {
  std::uint64_t total = 0;
  std::uint64_t queue = 0;
  std::uint64_t compute_input = 0;
  std::uint64_t compute_infer = 0;
  std::uint64_t compute_output = 0;
  std::uint64_t batch_size = 1;
};

// What one response of a decoupled request adds, in ns.
struct ResponseDurations {
  std::uint64_t compute_infer = 0;
  std::uint64_t compute_output = 0;
};

class StatisticsCell {
 public:
  // An executed batch is counted in one go, so that scrapes never see half of one.
  class Update {
   public:
    explicit Update(StatisticsCell& cell) : cell_(cell), lock_(cell.mutex_) {}
    void success(const RequestDurations& d);
    // 4.6: answered from the cache; looked up in vain, and the answer inserted.
    void cache_hit(std::uint64_t total_ns, std::uint64_t lookup_ns);
    void cache_miss(std::uint64_t lookup_and_insert_ns);
    void failure(std::uint64_t total_ns, FailureReason reason);
    void execution(const RequestDurations& d);
    // `outcome`: which of ResponseStat's it was. Indexes past the bound are not counted.
    void response(std::size_t index, const ResponseDurations& d,
                  DurationStat ResponseStat::*outcome);

   private:
    StatisticsCell& cell_;
    std::lock_guard<std::mutex> lock_;
  };

  void add_to(ModelStatistics& sum) const;

 private:
  mutable std::mutex mutex_;
  ModelStatistics stats_;  // but for batches
  std::map<std::uint64_t, BatchStat> batches_;
};

}  // namespace penstock
