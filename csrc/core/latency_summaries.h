// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// LatencySummaries: the latencies of the last minute of one instance, for M-13, M-14 and M-17.
//
// A window of 60 s in five parts, as Triton's: the part that has begun and the four before it, each
// with a sketch of its own; they are put together, with those of other instances, when somebody
// asks. Thread safety: none; the statistics' lock covers it. Nothing blocks.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/quantile_sketch.h"
#include "penstock/statistics.h"

namespace penstock {

class LatencySummaries {
 public:
  static constexpr std::int64_t kPartNs = 12'000'000'000;
  static constexpr std::size_t kParts = 5;

  // `error`: as QuantileSketch's.
  explicit LatencySummaries(double error) : windows_(kLatencyCount, Window(error)) {}
  // `now_ns` never runs backwards by a part.
  void observe(Latency latency, std::uint64_t ns, std::int64_t now_ns);
  // Appends what is kept, in us.
  void add_to(Latency latency, std::int64_t now_ns, std::vector<WeightedValue>& values) const;

 private:
  struct Part {
    std::int64_t number = -1;  // of all parts of time
    QuantileSketch sketch;
  };
  struct Window {
    explicit Window(double error)
        : parts{Part{-1, QuantileSketch(error)}, Part{-1, QuantileSketch(error)},
                Part{-1, QuantileSketch(error)}, Part{-1, QuantileSketch(error)},
                Part{-1, QuantileSketch(error)}} {}
    std::array<Part, kParts> parts;
  };

  std::vector<Window> windows_;  // by Latency
};

}  // namespace penstock
