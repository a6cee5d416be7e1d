// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
// Warm-ups: what instances execute before their version is published (contract 2.10, X-60).
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::Owner;

// Doubles, and notes what it was given.
class Recorder final : public NativeInstance {
 public:
  explicit Recorder(std::vector<std::size_t>& batches) : batches_(batches) {}
  void execute(Batch& batch) override {
    batches_.push_back(batch.size());
    Doubler().execute(batch);
  }

 private:
  std::vector<std::size_t>& batches_;
};

// Hands each request of a decoupled model to a function.
class Deferring final : public NativeInstance {
 public:
  using Serve = std::function<void(Responder)>;
  explicit Deferring(Serve serve) : serve_(std::move(serve)) {}
  void execute(Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) serve_(batch.defer(i));
  }

 private:
  Serve serve_;
};

class WarmUpTest : public ::testing::Test {
 protected:
  ~WarmUpTest() override {
    engine_.retire(model_, INT64_C(10'000'000'000));
    EXPECT_EQ(engine_.pool().stats().in_use_bytes, 0u);
  }
  void create(ModelPlan plan) {
    plan.warm_up = true;
    model_ = engine_.create(std::make_shared<ModelPlan>(std::move(plan))).value();
  }
  std::vector<WarmUpInput> inputs(Shape shape = Shape{1, 2}, const char* name = "IN") {
    WarmUpInput input;
    input.name = name;
    input.view.type = DataType::kFp32;
    input.view.shape = shape;
    input.view.size_bytes = 4 * element_count(shape).value();
    input.lease = engine_.pool().acquire(input.view.size_bytes);
    std::memset(input.lease->data, 0, input.view.size_bytes);
    input.view.data = input.lease->data;
    return {input};
  }
  Status warm_up(std::uint32_t index, std::vector<std::vector<WarmUpInput>> requests) {
    return model_->warm_up(index, requests);
  }

  Engine engine_{EngineOptions{}};
  ModelVersionRef model_;
};

TEST_F(WarmUpTest, OneBatchForOneInstanceAndNothingIsCounted) {
  ModelPlan plan = testing::dynamic_plan(8);
  plan.instance_count = 2;
  create(std::move(plan));
  std::vector<std::size_t> batches[2];
  for (std::uint32_t i = 0; i < 2; ++i) model_->start(i, std::make_unique<Recorder>(batches[i]));
  EXPECT_TRUE(warm_up(1, {inputs(), inputs(), inputs()}).ok());
  EXPECT_TRUE(warm_up(1, {inputs()}).ok());
  EXPECT_TRUE(warm_up(0, {inputs()}).ok());
  EXPECT_EQ(batches[0], (std::vector<std::size_t>{1}));
  EXPECT_EQ(batches[1], (std::vector<std::size_t>{3, 1}));
  const ModelStatistics stats = model_->statistics();
  EXPECT_EQ(stats.success.count + stats.fail.count + stats.queue.count, 0u);
  EXPECT_EQ(stats.execution_count, 0u);
  EXPECT_EQ(stats.last_inference_ms, 0u);
  EXPECT_TRUE(stats.batches.empty());
}

TEST_F(WarmUpTest, ServesOnceItIsPublished) {
  create(testing::pair_plan(8));
  model_->start(0, std::make_unique<Doubler>());
  EXPECT_TRUE(warm_up(0, {inputs()}).ok());
  engine_.publish("m", {model_}, {});
  Owner owner(engine_);
  ASSERT_TRUE(engine_.submit(*owner.request("m", 3)).ok());
  owner.collect(1, [](const Response& r) { EXPECT_TRUE(r.status.ok()); });
  EXPECT_EQ(warm_up(0, {inputs()}).code(), Code::kUnavailable);
}

TEST_F(WarmUpTest, AFailureIsReported) {
  create(testing::pair_plan(8));
  model_->start(0, std::make_unique<testing::Thrower>());
  const Status status = warm_up(0, {inputs()});
  EXPECT_EQ(status.message(), "model 'm' failed: boom");
  EXPECT_EQ(model_->statistics().fail.count, 0u);
}

TEST_F(WarmUpTest, WhatTheModelCannotTakeIsRefused) {
  create(testing::pair_plan(2));
  model_->start(0, std::make_unique<Doubler>());
  EXPECT_EQ(warm_up(0, {inputs(Shape{1, 2}, "NO")}).message(),
            "unexpected inference input 'NO' for model 'm'");
  EXPECT_EQ(warm_up(0, {{}}).message(), "no data for required input 'IN' of model 'm'");
  EXPECT_NE(warm_up(0, {inputs(Shape{1, 3})}).message().find("unexpected shape for input 'IN'"),
            std::string::npos);
  EXPECT_EQ(warm_up(0, {inputs(), inputs(), inputs()}).message(),
            "a warm-up batch of model 'm' has 1 to 2 requests, not 3");
  EXPECT_FALSE(warm_up(0, {}).ok());
  EXPECT_TRUE(warm_up(0, {inputs(), inputs()}).ok());
}

TEST_F(WarmUpTest, DecoupledModelsGiveAnyNumberOfResponses) {
  ModelPlan plan = testing::pair_plan(8);
  plan.decoupled = true;
  plan.response_capacity = 2;  // they are taken, or the model would wait for ever
  create(std::move(plan));
  std::thread answering;
  model_->start(0, std::make_unique<Deferring>([&](Responder given) {
                  if (answering.joinable()) answering.join();
                  answering = std::thread([responder = std::move(given)]() mutable {
                    for (int i = 0; i < 20; ++i) responder.send(responder.begin().value());
                    responder.finish(nullptr);
                  });
                }));
  EXPECT_TRUE(warm_up(0, {inputs(), inputs()}).ok());
  answering.join();
  EXPECT_EQ(model_->statistics().success.count, 0u);
}

TEST_F(WarmUpTest, AStopEndsTheWaitForAnInstance) {
  create(testing::pair_plan(8));  // whose instance never comes
  std::thread stopping([&] { engine_.retire(model_, INT64_C(10'000'000'000)); });
  EXPECT_EQ(warm_up(0, {inputs()}).code(), Code::kUnavailable);
  stopping.join();
}

}  // namespace
}  // namespace penstock
