// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelStatistics: what a model version has counted so far (contract 1.11 and 6).
//
// Thread safety: values, copied from the counters of all instances; those of one instance are of
// one moment. Nothing here blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "penstock/request.h"

namespace penstock {

struct DurationStat {
  std::uint64_t count = 0;
  std::uint64_t ns = 0;
};

inline constexpr std::size_t kMaxResponseStats = 1024;

struct BatchStat {
  std::uint64_t batch_size = 0;
  DurationStat compute_input, compute_infer, compute_output;
};

// Of the responses of decoupled requests that were the how manieth of theirs.
struct ResponseStat {
  DurationStat compute_infer, compute_output;
  // The whole of it, from the response before it: one of these a response.
  DurationStat success, fail, empty_response, cancel;
};

// Upper bounds in ns, each part of its bucket, of the histograms that every model has: three a
// decade, from what a request costs the server to what a client waits for.
inline constexpr std::array<std::int64_t, 21> kDurationBoundsNs{
    10'000,         25'000,         50'000,        100'000,       250'000,       500'000,
    1'000'000,      2'500'000,      5'000'000,     10'000'000,    25'000'000,    50'000'000,
    100'000'000,    250'000'000,    500'000'000,   1'000'000'000, 2'500'000'000, 5'000'000'000,
    10'000'000'000, 25'000'000'000, 50'000'000'000};

// How many durations fell into each bucket, not cumulative; the last one has no bound.
using DurationCounts = std::array<std::uint64_t, kDurationBoundsNs.size() + 1>;

// M-12: of ModelPlan::first_response_bounds_ms; counts as in DurationCounts.
struct FirstResponseStat {
  std::uint64_t count = 0;
  std::uint64_t ms = 0;
  std::vector<std::uint64_t> counts;  // empty: not asked for
};

// M-13, M-14, M-17: latencies that may be summarised.
enum class Latency : std::uint8_t {
  kRequest,
  kQueue,
  kComputeInput,
  kComputeInfer,
  kComputeOutput,
  kCacheHit,
  kCacheMiss,
};
inline constexpr std::size_t kLatencyCount = 7;

// Values in us of the last 48 to 60 s, one a quantile; NaN when nothing was observed.
using LatencySummary = std::vector<double>;

// Counters only grow.
struct ModelStatistics {
  std::uint64_t last_inference_ms = 0;
  std::uint64_t inference_count = 0;
  std::uint64_t execution_count = 0;
  DurationStat success, fail, queue, compute_input, compute_infer, compute_output;
  DurationStat cache_hit, cache_miss;
  DurationCounts success_counts{}, queue_counts{};  // of success and queue
  FirstResponseStat first_response;
  std::array<std::uint64_t, kFailureReasonCount> failures{};
  std::vector<BatchStat> batches;       // ascending batch size
  std::vector<ResponseStat> responses;  // by index; of the first kMaxResponseStats
  std::uint64_t pending = 0;            // M-10: waiting, not yet executing
  std::uint64_t in_flight = 0;          // bound, and not yet answered; pins of ensembles
  std::uint64_t late = 0;               // refused at once: they could not have met their deadlines
  bool cached = false;                  // 4.6: the model's answers are cached
};

}  // namespace penstock
