// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "calls/waits.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace penstock::calls {
namespace {

std::shared_ptr<ModelPlan> plan(const std::string& name, std::uint32_t instances = 1) {
  auto made = std::make_shared<ModelPlan>();
  made->name = name;
  made->instance_count = instances;
  return made;
}

class Instance final : public ModelCaller {
 public:
  using ModelCaller::ModelCaller;
  void answered(const CallAnswer& /*answer*/) override {}
};

class WaitsTest : public ::testing::Test {
 protected:
  Engine engine_{EngineOptions{}};
  Waits waits_{engine_};
  std::shared_ptr<ModelPlan> a_ = plan("a"), b_ = plan("b"), two_ = plan("two", 2);
  Instance of_a_{a_}, of_b_{b_}, first_{two_}, second_{two_};
};

TEST_F(WaitsTest, AModelWithOneInstanceCannotCallItself) {
  EXPECT_FALSE(waits_.add(of_a_, *a_));
  EXPECT_TRUE(waits_.add(of_a_, *b_));
}

TEST_F(WaitsTest, ACircleIsSeenByWhoCloses) {
  EXPECT_TRUE(waits_.add(of_a_, *b_));
  EXPECT_FALSE(waits_.add(of_b_, *a_));
  waits_.remove(of_a_, *b_);
  EXPECT_TRUE(waits_.add(of_b_, *a_));
}

TEST_F(WaitsTest, AFreeInstanceMayAnswer) {
  EXPECT_TRUE(waits_.add(first_, *two_));
  EXPECT_FALSE(waits_.add(second_, *two_));
  EXPECT_TRUE(waits_.add(second_, *a_));  // which is free
  EXPECT_FALSE(waits_.add(of_a_, *b_) && waits_.add(of_b_, *two_));
}

TEST_F(WaitsTest, AllThatAnInstanceWaitsForMustBeAnswered) {
  EXPECT_TRUE(waits_.add(first_, *a_));
  EXPECT_TRUE(waits_.add(first_, *two_));
  EXPECT_TRUE(waits_.add(second_, *b_));
  EXPECT_FALSE(waits_.add(of_b_, *two_));
  waits_.remove(first_, *two_);
  EXPECT_TRUE(waits_.add(of_b_, *two_));
}

}  // namespace
}  // namespace penstock::calls
