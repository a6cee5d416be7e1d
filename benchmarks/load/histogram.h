// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Histogram: durations in log-linear buckets, 128 to each power of two: wrong by less than 0.8 %,
// of a fixed size whatever is recorded.
//
// Thread safety: none; each thread has its own, and add() joins them afterwards. Nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock::load {

class Histogram {
 public:
  // Below zero counts as zero, above kLargestNs as that.
  void record(std::int64_t ns);
  void add(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  // The upper edge of the bucket that holds this share (0 to 1) of all; 0 when nothing is recorded.
  [[nodiscard]] std::int64_t quantile(double share) const;
  [[nodiscard]] std::int64_t max() const { return max_; }
  [[nodiscard]] double mean() const;

  static constexpr std::int64_t kLargestNs = (std::int64_t{1} << 42) - 1;  // 73 minutes

 private:
  static std::size_t index_of(std::int64_t ns);
  static std::int64_t upper_edge(std::size_t index);

  static constexpr int kSubBits = 7;
  static constexpr std::size_t kSubBuckets = std::size_t{1} << kSubBits;
  // The last bucket is that of kLargestNs.
  static constexpr std::size_t kBuckets = (42 - kSubBits - 1) * kSubBuckets + 2 * kSubBuckets;

  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(kBuckets);
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace penstock::load
