// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace penstock::load {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMs;

std::vector<std::int64_t> due_until(Arrivals arrivals, std::int64_t end) {
  std::vector<std::int64_t> due;
  for (; arrivals.due_ns() < end; arrivals.advance()) due.push_back(arrivals.due_ns());
  return due;
}

TEST(Arrivals, AreRegularAtAConstantRateAndDoNotDrift) {
  const auto due = due_until({ArrivalKind::kConstant, 3, 0, 1, 100}, 1'000 * kSecond + 100);
  ASSERT_EQ(due.size(), 3'000u);
  EXPECT_EQ(due[0], 100);
  for (std::size_t i = 0; i < due.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(due[i] - 100), static_cast<double>(i) * 1e9 / 3, 2);
  }
}

TEST(Arrivals, OfSeveralThreadsTakeTurns) {
  std::vector<std::int64_t> together;
  for (unsigned thread = 0; thread < 4; ++thread) {
    const auto due = due_until({ArrivalKind::kConstant, 1'000, thread, 4, 0}, kSecond);
    together.insert(together.end(), due.begin(), due.end());
  }
  std::sort(together.begin(), together.end());
  ASSERT_EQ(together.size(), 1'000u);
  for (std::size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i], static_cast<std::int64_t>(i) * kMs);
  }
}

TEST(Arrivals, ArePoissonWithTheRateAndTheSpreadOfOne) {
  const auto due = due_until({ArrivalKind::kPoisson, 10'000, 0, 1, 0}, 10 * kSecond);
  const auto count = static_cast<double>(due.size());
  EXPECT_NEAR(count, 100'000, 1'500);  // five times sqrt(100,000)
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 1; i < due.size(); ++i) {
    ASSERT_GE(due[i], due[i - 1]);
    const auto gap = static_cast<double>(due[i] - due[i - 1]);
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / count;
  const double deviation = std::sqrt(squares / count - mean * mean);
  EXPECT_NEAR(deviation / mean, 1.0, 0.02);  // an exponential's are equal
}

TEST(Arrivals, OfTwoThreadsAreNotTheSame) {
  Arrivals one(ArrivalKind::kPoisson, 1'000, 0, 2, 0);
  Arrivals other(ArrivalKind::kPoisson, 1'000, 1, 2, 0);
  EXPECT_NE(one.due_ns(), other.due_ns());
}

class PacerTest : public testing::Test {
 protected:
  Options options_;
};

TEST_F(PacerTest, ClosedLoopIsDueWheneverItAsksUntilTheEnd) {
  options_.duration_ns = kSecond;
  options_.warmup_ns = kSecond;
  Pacer pacer(options_, 0);
  pacer.begin(0);
  EXPECT_EQ(pacer.measured_from_ns(), kSecond);
  EXPECT_EQ(pacer.take(5), 5);
  EXPECT_EQ(pacer.take(2 * kSecond - 1), 2 * kSecond - 1);
  EXPECT_EQ(pacer.take(2 * kSecond), std::nullopt);
  EXPECT_TRUE(pacer.over(2 * kSecond));
  EXPECT_EQ(pacer.next_due_ns(), kNever);
  EXPECT_EQ(pacer.count_unsent(), 0u);
}

TEST_F(PacerTest, ThreadsShareTheRequestsToTheLastOne) {
  options_.requests = 10;
  options_.threads = 4;
  std::uint64_t taken = 0;
  for (unsigned thread = 0; thread < 4; ++thread) {
    Pacer pacer(options_, thread);
    pacer.begin(0);
    while (pacer.take(1)) ++taken;
    EXPECT_TRUE(pacer.over(1));
  }
  EXPECT_EQ(taken, 10u);
}

// No coordinated omission: what waits for a stream is due when it was due.
TEST_F(PacerTest, OpenLoopGivesABacklogItsOwnTimes) {
  options_.duration_ns = kSecond;
  options_.rate_per_s = 1'000;
  Pacer pacer(options_, 0);
  pacer.begin(0);
  EXPECT_EQ(pacer.take(0), 0);
  EXPECT_EQ(pacer.take(0), std::nullopt);
  EXPECT_EQ(pacer.next_due_ns(), kMs);
  // A server that was silent for 100 ms.
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(pacer.take(100 * kMs), i * kMs);
  EXPECT_EQ(pacer.take(100 * kMs), std::nullopt);
}

TEST_F(PacerTest, OpenLoopGivesUpWhatWaitedBeyondTheTimeout) {
  options_.duration_ns = kSecond;
  options_.rate_per_s = 1'000;
  options_.timeout_ns = 10 * kMs;
  Pacer pacer(options_, 0);
  pacer.begin(0);
  EXPECT_EQ(pacer.take(100 * kMs), 90 * kMs);
  EXPECT_EQ(pacer.expired(), 90u);
}

TEST_F(PacerTest, OpenLoopCountsWhatWasNeverSent) {
  options_.duration_ns = kSecond;
  options_.warmup_ns = kSecond;
  options_.rate_per_s = 1'000;
  Pacer pacer(options_, 0);
  pacer.begin(0);
  EXPECT_EQ(pacer.take(3 * kSecond), std::nullopt);  // over
  EXPECT_EQ(pacer.count_unsent(), 1'000u);           // not those of the warm-up
}

}  // namespace
}  // namespace penstock::load
