// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace penstock::load {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile(0.5), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(Histogram, IsExactForSmallValues) {
  Histogram histogram;
  for (int value = 1; value <= 200; ++value) histogram.record(value);
  EXPECT_EQ(histogram.quantile(0), 1);
  EXPECT_EQ(histogram.quantile(0.5), 100);
  EXPECT_EQ(histogram.quantile(0.99), 198);
  EXPECT_EQ(histogram.quantile(1), 200);
  EXPECT_DOUBLE_EQ(histogram.mean(), 100.5);
}

TEST(Histogram, ErrsByLessThanOneInAHundredAndTwentyEight) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> values;
  Histogram histogram;
  for (int i = 0; i < 100'000; ++i) {
    const double exponent = std::uniform_real_distribution<double>(0, 41)(random);
    values.push_back(static_cast<std::int64_t>(std::exp2(exponent)));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * 100'000)) - 1;
    const auto exact = static_cast<double>(values[rank]);
    const auto found = static_cast<double>(histogram.quantile(share));
    EXPECT_GE(found, exact) << share;  // the upper edge of its bucket
    EXPECT_LE(found, exact * (1 + 1.0 / 128) + 1) << share;
  }
}

TEST(Histogram, KeepsTheEdgesOfItsRange) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(Histogram::kLargestNs);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_EQ(histogram.quantile(0.1), 0);
  EXPECT_EQ(histogram.max(), Histogram::kLargestNs);
  EXPECT_EQ(histogram.quantile(1), Histogram::kLargestNs);
}

TEST(Histogram, JoinsAnother) {
  Histogram one;
  Histogram other;
  for (int i = 0; i < 90; ++i) one.record(1'000);
  for (int i = 0; i < 10; ++i) other.record(1'000'000);
  one.add(other);
  EXPECT_EQ(one.count(), 100u);
  EXPECT_NEAR(static_cast<double>(one.quantile(0.9)), 1e3, 8);
  EXPECT_EQ(one.quantile(0.91), 1'000'000);
  EXPECT_DOUBLE_EQ(one.mean(), 100'900);
}

}  // namespace
}  // namespace penstock::load
