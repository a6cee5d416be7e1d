// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Models whose answers are cached (contract 4.6, X-45).
#include <gtest/gtest.h>

#include <semaphore>
#include <thread>
#include <vector>

#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::first_value;
using testing::Gate;
using testing::Mute;
using testing::Owner;

EngineOptions with_cache(std::size_t bytes) {
  EngineOptions options;
  options.cache_bytes = bytes;
  return options;
}

class ResponseCacheTest : public ::testing::Test {
 protected:
  explicit ResponseCacheTest(std::size_t bytes = 1 << 20)
      : engine_(with_cache(bytes)), owner_(engine_) {}
  ~ResponseCacheTest() override {
    engine_.retire(model_, INT64_C(10'000'000'000));
    EXPECT_EQ(engine_.in_flight(), 0u);
    EXPECT_EQ(engine_.pool().stats().in_use_bytes, 0u);
  }
  void serve(ModelPlan plan, std::unique_ptr<NativeInstance> instance) {
    plan.cached = true;
    model_ = engine_.create(std::make_shared<ModelPlan>(std::move(plan))).value();
    model_->start(0, std::move(instance));
    engine_.publish("m", {model_}, {});
  }
  void submit(float value) { ASSERT_TRUE(engine_.submit(*owner_.request("m", value)).ok()); }
  float answer() {
    float value = -1;
    owner_.collect(1, [&](const Response& r) {
      ASSERT_TRUE(r.status.ok()) << r.status.message();
      value = first_value(r);
    });
    return value;
  }
  float call(float value) {
    submit(value);
    return answer();
  }

  Engine engine_;
  Owner owner_;
  ModelVersionRef model_;
};

TEST_F(ResponseCacheTest, AHitIsASuccessWithoutAnExecution) {  // X-45, 1.11
  serve(testing::pair_plan(8), std::make_unique<Doubler>());
  EXPECT_EQ(call(3), 6);
  EXPECT_EQ(call(3), 6);
  EXPECT_EQ(call(3), 6);
  EXPECT_EQ(call(4), 8);
  const ModelStatistics stats = model_->statistics();
  EXPECT_TRUE(stats.cached);
  EXPECT_EQ(stats.success.count, 4u);
  EXPECT_EQ(stats.queue.count, 4u);
  EXPECT_EQ(stats.cache_hit.count, 2u);
  EXPECT_EQ(stats.cache_miss.count, 2u);
  EXPECT_GT(stats.cache_hit.ns, 0u);
  EXPECT_GT(stats.cache_miss.ns, 0u);
  EXPECT_EQ(stats.inference_count, 2u);
  EXPECT_EQ(stats.execution_count, 2u);
  EXPECT_EQ(stats.compute_infer.count, 2u);
  EXPECT_GE(stats.success.ns, stats.cache_hit.ns + stats.cache_miss.ns);
}

TEST_F(ResponseCacheTest, ErrorsAreNotCached) {
  serve(testing::pair_plan(8), std::make_unique<Mute>());
  for (int i = 0; i < 2; ++i) {
    submit(1);
    owner_.collect(1, [](const Response& r) { EXPECT_FALSE(r.status.ok()); });
  }
  const ModelStatistics stats = model_->statistics();
  EXPECT_EQ(stats.fail.count, 2u);
  EXPECT_EQ(stats.cache_hit.count, 0u);
  EXPECT_EQ(stats.cache_miss.count, 0u);
}

TEST_F(ResponseCacheTest, AHitWaitsForThoseBeforeIt) {  // S-6
  ModelPlan plan = testing::dynamic_plan(1);
  plan.dynamic.preserve_ordering = true;
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{1};
  serve(std::move(plan), std::make_unique<Gate>(entered, go));
  EXPECT_EQ(call(1), 2);
  entered.acquire();
  submit(5);  // a miss that executes
  entered.acquire();
  submit(1);  // hits
  submit(6);
  submit(1);
  EXPECT_EQ(model_->statistics().cache_hit.count, 2u);
  EXPECT_EQ(owner_.ring.take_all(), nullptr) << "a hit overtook an earlier request";
  go.release(2);
  for (const float expected : {10, 2, 12, 2}) EXPECT_EQ(answer(), expected);
}

TEST_F(ResponseCacheTest, RefusedRequestsHoldNoHitUp) {  // S-6
  ModelPlan plan = testing::dynamic_plan(1);
  plan.dynamic.preserve_ordering = true;
  plan.queue_capacity = 1;
  std::binary_semaphore entered{0};
  std::counting_semaphore<> go{1};
  serve(std::move(plan), std::make_unique<Gate>(entered, go));
  EXPECT_EQ(call(1), 2);
  entered.acquire();
  submit(5);
  entered.acquire();
  submit(6);  // fills the queue
  Request* refused = owner_.request("m", 7);
  EXPECT_FALSE(engine_.submit(*refused).ok());
  engine_.release(refused);
  submit(1);
  go.release(2);
  for (const float expected : {10, 12, 2}) EXPECT_EQ(answer(), expected);
}

TEST_F(ResponseCacheTest, AReloadedModelStartsAfresh) {
  serve(testing::pair_plan(8), std::make_unique<Doubler>());
  EXPECT_EQ(call(3), 6);
  engine_.publish("m", {}, {1});
  engine_.retire(model_, INT64_C(10'000'000'000));
  serve(testing::pair_plan(8), std::make_unique<Doubler>());
  EXPECT_EQ(call(3), 6);
  EXPECT_EQ(model_->statistics().cache_hit.count, 0u);
}

class SmallCacheTest : public ResponseCacheTest {
 protected:
  SmallCacheTest() : ResponseCacheTest(4096) {}
};

// Hits, misses and evictions of four clients at a time; every answer is the right one.
TEST_F(SmallCacheTest, ManyClients) {
  serve(testing::dynamic_plan(8), std::make_unique<Doubler>());
  const auto client = [&](unsigned seed) {
    Owner owner(engine_);
    for (unsigned i = 0; i < 3000; ++i) {
      const auto value = static_cast<float>((seed * 7919 + i * i) % 40);
      ASSERT_TRUE(engine_.submit(*owner.request("m", value)).ok());
      owner.collect(1, [&](const Response& r) {
        ASSERT_TRUE(r.status.ok()) << r.status.message();
        ASSERT_EQ(first_value(r), 2 * value);
      });
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) threads.emplace_back(client, seed);
  for (auto& thread : threads) thread.join();
  const ModelStatistics stats = model_->statistics();
  EXPECT_EQ(stats.success.count, 12000u);
  EXPECT_EQ(stats.cache_hit.count + stats.cache_miss.count, 12000u);
  EXPECT_GT(stats.cache_hit.count, 0u);
  EXPECT_EQ(stats.inference_count, stats.cache_miss.count);
}

TEST(NoCacheTest, AnEngineWithoutACacheExecutesAll) {
  Engine engine(EngineOptions{});
  Owner owner(engine);
  ModelPlan plan = testing::pair_plan(8);
  plan.cached = true;
  auto model = engine.create(std::make_shared<ModelPlan>(std::move(plan))).value();
  model->start(0, std::make_unique<Doubler>());
  engine.publish("m", {model}, {});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(engine.submit(*owner.request("m", 1)).ok());
    owner.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });
  }
  EXPECT_FALSE(model->statistics().cached);
  EXPECT_EQ(model->statistics().inference_count, 2u);
  engine.retire(model, INT64_C(10'000'000'000));
}

}  // namespace
}  // namespace penstock
