// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// StatisticsCell: the counters of one instance (or of the requests that never reached one).
//
// Thread safety: one writer a batch and the scrapes meet at a mutex that requests of other
// instances never touch. Nothing blocks for longer than copying a few numbers.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/latency_summaries.h"
#include "penstock/plan.h"
#include "penstock/statistics.h"

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
  // Before the first update: what the plan wants beside what is always counted. Borrows it.
  void configure(const ModelPlan& plan);

  // An executed batch is counted in one go, so that scrapes never see half of one.
  class Update {
   public:
    Update(StatisticsCell& cell, std::int64_t now_ns)
        : cell_(cell), now_ns_(now_ns), lock_(cell.mutex_) {}
    void success(const RequestDurations& d);
    // 4.6: answered from the cache; looked up in vain, and the answer inserted.
    void cache_hit(std::uint64_t total_ns, std::uint64_t lookup_ns);
    void cache_miss(std::uint64_t lookup_and_insert_ns);
    void failure(std::uint64_t total_ns, FailureReason reason);
    void execution(const RequestDurations& d);
    // `outcome`: which of ResponseStat's it was. Indexes past the bound are not counted.
    void response(std::size_t index, const ResponseDurations& d,
                  DurationStat ResponseStat::*outcome);
    // M-12: once a request, with its first response.
    void first_response(std::uint64_t since_start_ns) {
      if (cell_.first_response_bounds_ms_ != nullptr) cell_.add_first_response(since_start_ns);
    }

   private:
    void summarise(Latency latency, std::uint64_t ns) {
      cell_.summaries_->observe(latency, ns, now_ns_);
    }

    StatisticsCell& cell_;
    const std::int64_t now_ns_;
    std::lock_guard<std::mutex> lock_;
  };

  void add_to(ModelStatistics& sum) const;
  void add_to(Latency latency, std::int64_t now_ns, std::vector<WeightedValue>& values) const;

 private:
  void add_first_response(std::uint64_t since_start_ns);

  mutable std::mutex mutex_;
  ModelStatistics stats_;  // but for batches
  std::map<std::uint64_t, BatchStat> batches_;
  std::unique_ptr<LatencySummaries> summaries_;  // null: not asked for
  // Of the plan; null: no histogram of first responses.
  const std::vector<double>* first_response_bounds_ms_ = nullptr;
};

}  // namespace penstock
