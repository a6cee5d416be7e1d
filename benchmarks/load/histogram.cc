// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace penstock::load {

void Histogram::record(std::int64_t ns) {
  ns = std::clamp<std::int64_t>(ns, 0, kLargestNs);
  ++buckets_[index_of(ns)];
  ++count_;
  max_ = std::max(max_, ns);
  sum_ += static_cast<double>(ns);
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

std::int64_t Histogram::quantile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(upper_edge(i), max_);
  }
  return max_;
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

// Values below 256 have a bucket each; above, the first eight bits choose it.
std::size_t Histogram::index_of(std::int64_t ns) {
  const auto value = static_cast<std::uint64_t>(ns);
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kSubBits - 1);
  return static_cast<std::size_t>(shift) * kSubBuckets + (value >> shift);
}

std::int64_t Histogram::upper_edge(std::size_t index) {
  if (index < 2 * kSubBuckets) return static_cast<std::int64_t>(index);
  const std::size_t shift = index / kSubBuckets - 1;
  const std::size_t first_bits = index - shift * kSubBuckets;
  return static_cast<std::int64_t>(((first_bits + 1) << shift) - 1);
}

}  // namespace penstock::load
