// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// What a model version counts (contract 1.11 and 6), on a manual clock.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/duration_buckets.h"
#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::Owner;

constexpr std::int64_t kMs = 1'000'000;

std::size_t bucket_by_search(std::uint64_t ns) {
  std::size_t bucket = 0;
  while (bucket < kDurationBoundsNs.size() &&
         ns > static_cast<std::uint64_t>(kDurationBoundsNs[bucket])) {
    ++bucket;
  }
  return bucket;
}

TEST(DurationBucket, IsTheFirstWhoseBoundIsNotExceeded) {
  for (const std::int64_t bound : kDurationBoundsNs) {
    for (std::int64_t ns = bound - 2; ns <= bound + 2; ++ns) {
      const auto duration = static_cast<std::uint64_t>(ns);
      EXPECT_EQ(duration_bucket(duration), bucket_by_search(duration)) << ns;
    }
  }
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t ns = std::uint64_t{1} << bit;
    EXPECT_EQ(duration_bucket(ns), bucket_by_search(ns)) << ns;
    EXPECT_EQ(duration_bucket(ns - 1), bucket_by_search(ns - 1)) << ns;
  }
  EXPECT_EQ(duration_bucket(0), 0u);
  EXPECT_EQ(duration_bucket(UINT64_MAX), kDurationBoundsNs.size());
}

class StatisticsTest : public ::testing::Test {
 protected:
  StatisticsTest() : engine_(options()), owner_(engine_) {}
  ~StatisticsTest() override {
    batch_.clear();
    engine_.retire(model_, 0);
  }
  EngineOptions options() {
    EngineOptions options;
    options.clock = &clock_;
    return options;
  }
  void serve(ModelPlan plan) {
    model_ = engine_.create(std::make_shared<ModelPlan>(std::move(plan))).value();
    engine_.publish("m", {model_}, {});
  }
  // One request that waits and then runs for so long.
  void run(std::int64_t queue_ns, std::int64_t compute_ns) {
    ASSERT_TRUE(engine_.submit(*owner_.request("m", 1)).ok());
    clock_.advance_ns(queue_ns);
    ASSERT_TRUE(model_->next(0, batch_));
    batch_.mark_exec_start();
    clock_.advance_ns(compute_ns);
    batch_.mark_exec_end();
    batch_.answer(0);
    model_->complete(0, batch_);
    owner_.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });
  }
  void expire() {
    Request* request = owner_.request("m", 1);
    request->deadline_ns = clock_.now_ns() + 1;
    ASSERT_TRUE(engine_.submit(*request).ok());
    clock_.advance_ns(7 * kMs);
    ASSERT_TRUE(engine_.submit(*owner_.request("m", 1)).ok());
    ASSERT_TRUE(model_->next(0, batch_));
    batch_.answer(0);
    model_->complete(0, batch_);
    owner_.collect(2, [](const Response&) {});
  }

  ManualClock clock_;
  Engine engine_;
  Owner owner_;
  ModelVersionRef model_;
  Batch batch_;
};

TEST_F(StatisticsTest, EveryModelHasHistogramsOfItsSuccesses) {
  serve(testing::pair_plan(8));
  run(0, 0);
  run(10'000, 10'000);       // the bound is part of its bucket
  run(30 * kMs, 300 * kMs);  // 25 to 50 ms, 250 to 500 ms
  run(60'000 * kMs, 0);      // past the last bound
  const ModelStatistics stats = model_->statistics();
  DurationCounts queue{};
  queue[0] = 2;
  queue[duration_bucket(30 * kMs)] = 1;
  queue.back() = 1;
  DurationCounts success{};
  success[0] = 1;
  success[1] = 1;
  success[duration_bucket(330 * kMs)] = 1;
  success.back() = 1;
  EXPECT_EQ(stats.queue_counts, queue);
  EXPECT_EQ(stats.success_counts, success);
  EXPECT_TRUE(stats.first_response.counts.empty());  // M-12 is kept when it is asked for
  EXPECT_TRUE(model_->summary(Latency::kQueue, std::array{0.5}).empty());
}

TEST_F(StatisticsTest, HistogramsCountWhatTheStatisticsCount) {
  serve(testing::pair_plan(8));
  for (int i = 0; i < 50; ++i) run(i * kMs, 2 * i * kMs);
  expire();
  const ModelStatistics stats = model_->statistics();
  const auto sum = [](const DurationCounts& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  };
  EXPECT_EQ(stats.success.count, 51u);
  EXPECT_EQ(stats.fail.count, 1u);
  EXPECT_EQ(sum(stats.success_counts), stats.success.count);
  EXPECT_EQ(sum(stats.queue_counts), stats.queue.count);
}

TEST_F(StatisticsTest, FirstResponsesAreCountedInWholeMilliseconds) {  // M-12
  ModelPlan plan = testing::pair_plan(8);
  plan.first_response_bounds_ms = {1, 2.5, 100};
  serve(std::move(plan));
  run(0, 2 * kMs - 1);    // 1 ms
  run(2 * kMs, kMs - 1);  // 2 ms
  run(2 * kMs, kMs);      // 3 ms
  run(100 * kMs, kMs);    // 101 ms
  expire();               // 7 ms: a refusal is a first response, too; and 0 ms
  const FirstResponseStat& stat = model_->statistics().first_response;
  EXPECT_EQ(stat.counts, (std::vector<std::uint64_t>{2, 1, 2, 1}));
  EXPECT_EQ(stat.count, 6u);
  EXPECT_EQ(stat.ms, 1u + 2 + 3 + 101 + 7 + 0);
}

TEST_F(StatisticsTest, SummariesOfTheLastMinute) {  // M-13, M-14
  ModelPlan plan = testing::pair_plan(8);
  plan.summary_error = 0.01;
  serve(std::move(plan));
  for (int i = 1; i <= 100; ++i) run(i * 1000, 1000);
  const std::vector<double> quantiles{0.5, 1};
  EXPECT_EQ(model_->summary(Latency::kQueue, quantiles), (LatencySummary{50, 100}));
  EXPECT_EQ(model_->summary(Latency::kRequest, quantiles), (LatencySummary{51, 101}));
  EXPECT_EQ(model_->summary(Latency::kComputeInfer, quantiles), (LatencySummary{1, 1}));
  EXPECT_EQ(model_->summary(Latency::kComputeInput, quantiles), (LatencySummary{0, 0}));
  EXPECT_TRUE(std::isnan(model_->summary(Latency::kCacheHit, quantiles)[0]));
  clock_.advance_ns(60'000 * kMs);
  EXPECT_TRUE(std::isnan(model_->summary(Latency::kQueue, quantiles)[0]));
}

TEST(StatisticsPlan, BoundsAscendAndErrorsAreMeant) {
  Engine engine{EngineOptions{}};
  const auto refused = [&](const ModelPlan& plan) {
    return !engine.create(std::make_shared<ModelPlan>(plan)).ok();
  };
  ModelPlan plan = testing::pair_plan(8);
  EXPECT_FALSE(refused(plan));
  plan.first_response_bounds_ms = {1, 1};
  EXPECT_TRUE(refused(plan));
  plan.first_response_bounds_ms = {1, NAN};
  EXPECT_TRUE(refused(plan));
  plan.first_response_bounds_ms = {};
  for (const double error : {-1.0, 0.00001, 1.5, double{NAN}}) {
    plan.summary_error = error;
    EXPECT_TRUE(refused(plan)) << error;
  }
}

}  // namespace
}  // namespace penstock
