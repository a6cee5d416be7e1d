// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// QuantileSketch: quantiles of a stream in bounded memory, by Munro and Paterson ("Selection and
// sorting with limited storage", 1980).
//
// Values fill a run; a full run is sorted and joins the one of the same weight that is there, if
// there is one: of both together every other value is kept, and stands for twice as many. That
// shifts ranks by at most the run's weight, up and down in turn, so with L doublings a rank is off
// by less than L / (4 * run) of all: runs are long enough for that to be `error` after kDoublings
// of them, more values than fit in the time that a sketch is kept. A quantile q is a value whose
// rank is between (q - error) * n and (q + error) * n, and the same holds for several sketches that
// are asked together (add_to, quantile_of). Thread safety: none. Nothing blocks; only a full run
// makes observe() take longer than an append.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock {

// A value that stands for `weight` values about it.
struct WeightedValue {
  std::uint64_t value = 0;
  std::uint64_t weight = 0;
};

class QuantileSketch {
 public:
  static constexpr int kDoublings = 20;

  // 0 < error <= 1: how far a rank may be off, as a part of all.
  explicit QuantileSketch(double error);
  void observe(std::uint32_t value) {
    if (fill_.size() == run_) carry();
    fill_.push_back(value);
  }
  void clear();
  // Appends what is kept, in no order.
  void add_to(std::vector<WeightedValue>& values) const;
  // Values kept: at most a run, and one more for each time that their number has doubled.
  [[nodiscard]] std::size_t kept() const;
  [[nodiscard]] std::size_t run() const { return run_; }

 private:
  // Of values with weight 2^index; empty: there is none now.
  struct Level {
    std::vector<std::uint32_t> values;  // ascending
    bool upper = false;                 // which of two was kept last
  };

  void carry();

  const std::size_t run_;
  std::vector<std::uint32_t> fill_;
  std::vector<Level> levels_;
};

// Of values that were collected by add_to(), sorted ascending; NaN when there are none.
[[nodiscard]] double quantile_of(const std::vector<WeightedValue>& sorted, double quantile);

}  // namespace penstock
