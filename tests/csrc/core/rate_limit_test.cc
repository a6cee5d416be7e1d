// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Rate limited models in the engine: threads, queues of all kinds, coming and going (contract 4.5).
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "penstock/engine.h"
#include "support/engine_fixture.h"
#include "support/sequence_plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::Gate;
using testing::Owner;

constexpr std::int64_t kLong = INT64_C(10'000'000'000);

// How much of a resource is in use by its instances, and how much ever was.
struct Meter {
  std::atomic<std::uint32_t> used{0};
  std::atomic<std::uint32_t> most{0};

  void take(std::uint32_t count) {
    const std::uint32_t now = used.fetch_add(count) + count;
    std::uint32_t seen = most.load();
    while (seen < now && !most.compare_exchange_weak(seen, now)) {
    }
  }
};

// Echoes a batch, and holds `count` of the meter's resource meanwhile.
class Metered final : public NativeInstance {
 public:
  Metered(Meter& meter, std::uint32_t count) : meter_(meter), count_(count) {}
  void execute(Batch& batch) override {
    meter_.take(count_);
    Doubler().execute(batch);
    meter_.used.fetch_sub(count_);
  }

 private:
  Meter& meter_;
  const std::uint32_t count_;
};

class RateLimitTest : public ::testing::Test {
 protected:
  explicit RateLimitTest(EngineOptions options = limited()) : engine_(options), owner_(engine_) {}
  ~RateLimitTest() override {
    for (const auto& model : models_) engine_.retire(model, kLong);
    EXPECT_EQ(engine_.in_flight(), 0u);
  }
  static EngineOptions limited() {
    EngineOptions options;
    options.rate_limited = true;
    return options;
  }
  // Instances of R, as much as `counts` say.
  static ModelPlan plan_of(const char* name, SchedulerKind kind,
                           const std::vector<std::uint32_t>& counts) {
    ModelPlan plan = testing::pair_plan(4);
    plan.name = name;
    plan.scheduler = kind;
    plan.instance_count = static_cast<std::uint32_t>(counts.size());
    for (const auto count : counts) plan.instance_limits.push_back({{{"R", count, false}}, 1, 0});
    return plan;
  }
  ModelVersionRef create(ModelPlan plan) {
    auto made = engine_.create(std::make_shared<ModelPlan>(std::move(plan)));
    EXPECT_TRUE(made.ok()) << made.status().message();
    models_.push_back(made.value());
    return made.value();
  }
  ModelVersionRef serve(ModelPlan plan, Meter& meter) {
    const std::string name = plan.name;
    const auto limits = plan.instance_limits;
    ModelVersionRef model = create(std::move(plan));
    for (std::uint32_t i = 0; i < limits.size(); ++i) {
      model->start(i, std::make_unique<Metered>(meter, limits[i].resources[0].count));
    }
    engine_.publish(name, {model}, {});
    return model;
  }
  ModelVersionRef serve_gate(const char* name) {
    ModelVersionRef model = create(plan_of(name, SchedulerKind::kDefault, {1}));
    model->start(0, std::make_unique<Gate>(entered_, go_));
    engine_.publish(name, {model}, {});
    return model;
  }
  void submit(const char* name, float value = 1) {
    ASSERT_TRUE(engine_.submit(*owner_.request(name, value)).ok());
  }
  void collect(int count) {
    owner_.collect(count,
                   [](const Response& r) { EXPECT_TRUE(r.status.ok()) << r.status.message(); });
  }

  std::binary_semaphore entered_{0};
  std::counting_semaphore<> go_{0};
  Engine engine_;
  Owner owner_;
  std::vector<ModelVersionRef> models_;
};

TEST_F(RateLimitTest, NeverMoreInExecutionThanTheResourcesAllow) {
  Meter meter;
  ModelPlan slow = plan_of("delayed", SchedulerKind::kDynamic, {1, 2, 1});
  slow.dynamic.preferred_batch_sizes = {3};
  slow.dynamic.max_queue_delay_us = 200;
  serve(plan_of("plain", SchedulerKind::kDefault, {1, 3, 2}), meter);
  serve(plan_of("merged", SchedulerKind::kDynamic, {2, 2}), meter);
  serve(std::move(slow), meter);
  constexpr int kRounds = 300;
  for (int i = 0; i < kRounds; ++i) {
    submit("plain");
    submit("merged");
    submit("delayed");
    if (i % 16 == 0) collect(3);  // now and then they have nothing to do
  }
  collect(3 * (kRounds - (kRounds + 15) / 16));
  EXPECT_LE(meter.most.load(), 3u);  // what the most demanding one needs
  EXPECT_GT(meter.most.load(), 0u);
}

TEST_F(RateLimitTest, SequencesKeepTheirInstances) {  // 4.3
  Meter meter;
  ModelPlan plan = plan_of("oldest", SchedulerKind::kOldest, {1, 1, 2});
  plan.sequence.max_candidate_sequences = 2;
  plan.sequence.max_queue_delay_us = 300;
  ModelPlan direct = plan_of("direct", SchedulerKind::kDirect, {2, 1});
  serve(std::move(plan), meter);
  serve(std::move(direct), meter);
  constexpr int kLength = 20;
  for (int step = 0; step < kLength; ++step) {
    for (const char* model : {"oldest", "direct"}) {
      for (std::uint64_t id = 1; id <= 6; ++id) {
        Request* request = owner_.request(model, 1);
        request->correlation_id = id;
        if (step == 0) request->flags |= kSequenceStart;
        if (step == kLength - 1) request->flags |= kSequenceEnd;
        ASSERT_TRUE(engine_.submit(*request).ok());
      }
    }
  }
  collect(kLength * 12);
  EXPECT_LE(meter.most.load(), 2u);
}

TEST_F(RateLimitTest, OneThatWaitsGoesOnWhenAnotherModelIsDone) {
  Meter meter;
  serve_gate("holder");
  serve(plan_of("waiter", SchedulerKind::kDefault, {1, 1}), meter);
  submit("holder");
  entered_.acquire();
  submit("waiter");
  submit("waiter");
  go_.release();
  collect(3);
}

TEST_F(RateLimitTest, AModelThatWaitsCanBeUnloaded) {
  Meter meter;
  serve_gate("holder");
  const ModelVersionRef waiter = serve(plan_of("waiter", SchedulerKind::kDefault, {1}), meter);
  submit("holder");
  entered_.acquire();
  submit("waiter");
  engine_.forget("waiter");
  engine_.retire(waiter, 0);
  owner_.collect(1, [](const Response& r) { EXPECT_EQ(r.status.code(), Code::kUnavailable); });
  EXPECT_EQ(meter.most.load(), 0u);
  go_.release();
  collect(1);
}

TEST_F(RateLimitTest, TimeOutsAndCancellationsAreAnsweredWhileItWaits) {  // S-7, S-8
  Meter meter;
  serve_gate("holder");
  serve(plan_of("waiter", SchedulerKind::kDynamic, {1}), meter);
  submit("holder");
  entered_.acquire();
  Request* late = owner_.request("waiter", 1);
  late->deadline_ns = engine_.clock().now_ns() + 20'000'000;
  ASSERT_TRUE(engine_.submit(*late).ok());
  owner_.collect(1, [](const Response& r) { EXPECT_EQ(r.status.code(), Code::kDeadlineExceeded); });
  Request* cancelled = owner_.request("waiter", 1);
  const RequestHandle handle = cancelled->handle();
  ASSERT_TRUE(engine_.submit(*cancelled).ok());
  EXPECT_TRUE(engine_.cancel(handle));
  owner_.collect(1, [](const Response& r) { EXPECT_EQ(r.status.code(), Code::kCancelled); });
  EXPECT_EQ(meter.most.load(), 0u);
  go_.release();
  collect(1);
}

TEST_F(RateLimitTest, WhatIsUnloadedIsNotCounted) {
  Meter meter;
  const ModelVersionRef large = serve(plan_of("large", SchedulerKind::kDefault, {4}), meter);
  serve(plan_of("small", SchedulerKind::kDefault, {1, 1, 1}), meter);
  engine_.forget("large");
  engine_.retire(large, kLong);
  for (int i = 0; i < 100; ++i) submit("small");
  collect(100);
  EXPECT_EQ(meter.most.load(), 1u);  // what the most demanding one needs now
}

TEST_F(RateLimitTest, ModelsWithoutLimitsAreNotLimited) {
  ModelPlan plan = testing::pair_plan(4);
  const ModelVersionRef model = create(std::move(plan));
  model->start(0, std::make_unique<Doubler>());
  engine_.publish("m", {model}, {});
  serve_gate("holder");
  submit("holder");
  entered_.acquire();
  submit("m");
  collect(1);
  go_.release();
  collect(1);
}

TEST(RateLimit, CountsThatAreTooSmallFailTheLoad) {
  EngineOptions options;
  options.rate_limited = true;
  options.resources = {{"R", 1, {}}};
  Engine engine(options);
  ModelPlan plan = testing::pair_plan(4);
  plan.instance_limits.push_back({{{"R", 2, false}}, 1, 0});
  const auto made = engine.create(std::make_shared<ModelPlan>(plan));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), Code::kInvalidArg);
  EXPECT_EQ(made.status().message(),
            "Resource count for \"R\" is limited to 1 which will prevent scheduling of one or more "
            "model instances, the minimum required count is 2");
}

TEST(RateLimit, OffIgnoresAllLimits) {
  EngineOptions options;
  options.resources = {{"R", 1, {}}};
  Engine engine(options);
  ModelPlan plan = testing::pair_plan(4);
  plan.instance_limits.push_back({{{"R", 2, false}, {"R", 2, true}}, 7, 0});
  EXPECT_TRUE(engine.create(std::make_shared<ModelPlan>(plan)).ok());
}

}  // namespace
}  // namespace penstock
