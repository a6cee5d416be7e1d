// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "batch/policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/plans.h"

namespace penstock {
namespace {

constexpr std::int64_t kUs = 1000;

struct PolicyCase {
  const char* what;
  std::vector<std::int64_t> preferred;
  std::uint64_t delay_us;
  std::vector<BatchCandidate> queue;
  std::int64_t now_ns;
  std::size_t take;
  std::int64_t wait_until_ns;
};

BatchCandidate at(std::int64_t queued_ns, std::int64_t size = 1, bool compatible = true) {
  return {size, queued_ns, kNoDeadline, compatible};
}

// max_batch_size 8 throughout. Contract S-2, S-3.
const PolicyCase kCases[] = {
    {"nothing waits", {}, 0, {}, 0, 0, kNoDeadline},
    {"S-3 no delay: what is there", {}, 0, {at(0), at(0)}, 0, 2, kNoDeadline},
    {"waits for the delay of the oldest", {}, 100, {at(0), at(50 * kUs)}, 60 * kUs, 0, 100 * kUs},
    {"delay reached", {}, 100, {at(0), at(50 * kUs)}, 100 * kUs, 2, kNoDeadline},
    {"preferred size reached before the delay", {2, 4}, 100, {at(0), at(1)}, 5, 2, kNoDeadline},
    {"largest preferred size wins",
     {2, 4},
     100,
     {at(0), at(0), at(0), at(0), at(0)},
     5,
     4,
     kNoDeadline},
    {"between preferred sizes takes the smaller",
     {2, 4},
     100,
     {at(0), at(0), at(0)},
     5,
     2,
     kNoDeadline},
    {"overdue: all, preferred or not",
     {2, 4},
     100,
     {at(0), at(0), at(0)},
     100 * kUs,
     3,
     kNoDeadline},
    {"full: eight", {}, 100, std::vector<BatchCandidate>(10, at(0)), 1, 8, kNoDeadline},
    {"the next does not fit: what fits", {}, 100, {at(0, 5), at(0, 4)}, 1, 1, kNoDeadline},
    {"X-31 a mismatch closes the batch", {}, 100, {at(0), at(0, 1, false)}, 1, 1, kNoDeadline},
    {"request batch sizes count", {6}, 100, {at(0, 2), at(0, 4)}, 1, 2, kNoDeadline},
    {"wakes for the first time-out", {}, 100, {{1, 0, 30 * kUs, true}}, 1, 0, 30 * kUs},
    {"a zero batch counts as one", {2}, 100, {at(0, 0), at(0, 0)}, 1, 2, kNoDeadline},
};

TEST(BatchPolicyTest, Table) {
  for (const auto& c : kCases) {
    ModelPlan plan = testing::dynamic_plan(8);
    plan.dynamic.preferred_batch_sizes = c.preferred;
    plan.dynamic.max_queue_delay_us = c.delay_us;
    const BatchDecision decision = BatchPolicy(plan).decide(c.queue, c.now_ns);
    EXPECT_EQ(decision.take, c.take) << c.what;
    if (c.take == 0) {
      EXPECT_EQ(decision.wait_until_ns, c.wait_until_ns) << c.what;
    }
  }
}

TEST(BatchPolicyTest, NeverMoreThanTheLimitWhateverTheQueue) {
  for (std::int64_t max = 1; max <= 9; ++max) {
    ModelPlan plan = testing::dynamic_plan(max);
    const BatchPolicy policy(plan);
    for (unsigned seed = 0; seed < 500; ++seed) {
      unsigned state = seed;
      std::vector<BatchCandidate> queue;
      for (int i = 0; i < 12; ++i) {
        state = state * 1664525 + 1013904223;
        queue.push_back(at(0, 1 + (state >> 16) % max));
      }
      const auto decision = policy.decide(queue, 1);
      ASSERT_GT(decision.take, 0u);
      std::int64_t total = 0;
      for (std::size_t i = 0; i < decision.take; ++i) total += queue[i].batch_size;
      EXPECT_LE(total, max);
    }
  }
}

}  // namespace
}  // namespace penstock
