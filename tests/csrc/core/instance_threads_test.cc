// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Instances that come and go while their version serves, and names that stand for several
// models.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "penstock/engine.h"
#include "support/engine_fixture.h"
#include "support/plans.h"

namespace penstock {
namespace {

using testing::Doubler;
using testing::first_value;
using testing::Owner;

constexpr std::int64_t kSecond = 1'000'000'000;

class InstanceThreads : public ::testing::Test {
 protected:
  ModelVersionRef make(ModelPlan plan) {
    auto model = engine_.create(std::make_shared<ModelPlan>(std::move(plan)));
    EXPECT_TRUE(model.ok());
    return model.value();
  }
  void answer(int value) {
    ASSERT_TRUE(engine_.submit(*owner_.request("m", value)).ok());
    owner_.collect(1, [&](const Response& r) { EXPECT_EQ(first_value(r), 2 * value); });
  }

  Engine engine_{EngineOptions{}};
  Owner owner_{engine_};
};

TEST_F(InstanceThreads, ComeAndGoWhileTheVersionServes) {
  auto model = make(testing::pair_plan(8));
  model->start(0, std::make_unique<Doubler>());
  engine_.publish("m", {model}, {});
  for (std::uint32_t index = 1; index < 50; ++index) {
    ASSERT_LT(index, model->instance_limit());
    model->start(index, std::make_unique<Doubler>());
    answer(static_cast<int>(index));
    ASSERT_TRUE(model->end_instance(index - 1).ok());
    answer(static_cast<int>(index) + 100);
  }
  EXPECT_EQ(model->statistics().success.count, 98u);
  engine_.retire(model, kSecond);
}

TEST_F(InstanceThreads, RequestsGoOnWhileInstancesChange) {
  auto model = make(testing::pair_plan(1));
  model->start(0, std::make_unique<Doubler>());
  engine_.publish("m", {model}, {});
  std::atomic<bool> done{false};
  std::thread changes([&] {
    for (std::uint32_t index = 1; !done.load(); ++index) {
      model->start(index, std::make_unique<Doubler>());
      EXPECT_TRUE(model->end_instance(index).ok());
    }
  });
  for (int i = 0; i < 2000; ++i) answer(i);
  done.store(true);
  changes.join();
  engine_.retire(model, kSecond);
}

TEST_F(InstanceThreads, NextReturnsToOneThatEnds) {
  auto model = make(testing::pair_plan(8));
  engine_.publish("m", {model}, {});
  std::thread instance([&] {
    Batch batch;
    EXPECT_FALSE(model->next(3, batch));
  });
  ASSERT_TRUE(model->end_instance(3).ok());
  instance.join();
  engine_.retire(model, kSecond);
}

TEST_F(InstanceThreads, SequencesKeepTheirs) {
  ModelPlan plan = testing::pair_plan(8);
  plan.scheduler = SchedulerKind::kDirect;
  auto model = make(std::move(plan));
  EXPECT_EQ(model->instance_limit(), 1u);
  EXPECT_EQ(model->end_instance(0).code(), Code::kUnsupported);
}

TEST_F(InstanceThreads, ANameOfSeveralModelsSaysSo) {
  auto model = make(testing::pair_plan(8));
  engine_.refuse("m", invalid_arg("There are 2 identifiers of model 'm'"));
  EXPECT_EQ(owner_.request("m", 0, -1), nullptr);
  EXPECT_EQ(owner_.status.code(), Code::kInvalidArg);
  EXPECT_EQ(owner_.status.message(), "There are 2 identifiers of model 'm'");
  model->start(0, std::make_unique<Doubler>());
  engine_.publish("m", {model}, {});
  answer(4);
  engine_.retire(model, kSecond);
}

}  // namespace
}  // namespace penstock
