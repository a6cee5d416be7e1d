// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/quantile_sketch.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace penstock {
namespace {

std::vector<std::uint32_t> every_other(const std::vector<std::uint32_t>& values, bool upper) {
  std::vector<std::uint32_t> kept;
  kept.reserve(values.size() / 2);
  for (std::size_t i = upper ? 1 : 0; i < values.size(); i += 2) kept.push_back(values[i]);
  return kept;
}

}  // namespace

QuantileSketch::QuantileSketch(double error)
    : run_(static_cast<std::size_t>(std::ceil(kDoublings / 4 / error))) {}

void QuantileSketch::clear() {
  fill_.clear();
  levels_.clear();
}

// As a carry goes through the digits of a binary number.
void QuantileSketch::carry() {
  std::sort(fill_.begin(), fill_.end());
  std::vector<std::uint32_t> carried;
  carried.swap(fill_);
  fill_.reserve(run_);
  for (std::size_t i = 0;; ++i) {
    if (i == levels_.size()) levels_.emplace_back();
    Level& level = levels_[i];
    if (level.values.empty()) return level.values.swap(carried);
    std::vector<std::uint32_t> both;
    both.reserve(2 * run_);
    std::merge(level.values.begin(), level.values.end(), carried.begin(), carried.end(),
               std::back_inserter(both));
    level.upper = !level.upper;
    carried = every_other(both, level.upper);
    level.values.clear();
  }
}

void QuantileSketch::add_to(std::vector<WeightedValue>& values) const {
  for (const std::uint32_t value : fill_) values.push_back({value, 1});
  std::uint64_t weight = 1;
  for (const Level& level : levels_) {
    for (const std::uint32_t value : level.values) values.push_back({value, weight});
    weight *= 2;
  }
}

std::size_t QuantileSketch::kept() const {
  std::size_t kept = fill_.size();
  for (const Level& level : levels_) kept += level.values.size();
  return kept;
}

double quantile_of(const std::vector<WeightedValue>& sorted, double quantile) {
  std::uint64_t count = 0;
  for (const auto& value : sorted) count += value.weight;
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  const double rank = std::ceil(quantile * static_cast<double>(count));
  std::uint64_t up_to = 0;
  for (const auto& value : sorted) {
    up_to += value.weight;
    if (static_cast<double>(up_to) >= rank) return static_cast<double>(value.value);
  }
  return static_cast<double>(sorted.back().value);
}

}  // namespace penstock
