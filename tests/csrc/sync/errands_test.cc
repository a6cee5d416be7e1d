// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/errands.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace penstock {
namespace {

struct Counting final : Errand {
  void run() noexcept override {
    ++runs;
    if (then) then();
  }
  int runs = 0;
  std::function<void()> then;
};

TEST(ErrandsTest, NobodyRunsThemWithoutAScope) {
  const auto errand = std::make_shared<Counting>();
  EXPECT_FALSE(ErrandScope::leave(errand));
  { const ErrandScope scope; }
  EXPECT_FALSE(ErrandScope::leave(errand));
  EXPECT_EQ(errand->runs, 0);
}

TEST(ErrandsTest, OutermostScopeRunsThemOnceAtItsEnd) {
  const auto errand = std::make_shared<Counting>();
  {
    const ErrandScope outer;
    {
      const ErrandScope inner;
      EXPECT_TRUE(ErrandScope::leave(errand));
      EXPECT_TRUE(ErrandScope::leave(errand));
    }
    EXPECT_EQ(errand->runs, 0);
  }
  EXPECT_EQ(errand->runs, 1);
}

TEST(ErrandsTest, WhatAnErrandLeavesIsRunToo) {
  const auto first = std::make_shared<Counting>();
  const auto second = std::make_shared<Counting>();
  first->then = [&] {
    if (first->runs == 1) {
      EXPECT_TRUE(ErrandScope::leave(second));
    }
  };
  second->then = [&] { EXPECT_TRUE(ErrandScope::leave(first)); };
  {
    const ErrandScope scope;
    EXPECT_TRUE(ErrandScope::leave(first));
  }
  EXPECT_EQ(first->runs, 2);
  EXPECT_EQ(second->runs, 1);
}

TEST(ErrandsTest, TooManyAreRefused) {
  std::vector<std::shared_ptr<Counting>> errands;
  int taken = 0;
  {
    const ErrandScope scope;
    for (int i = 0; i < 100; ++i) {
      errands.push_back(std::make_shared<Counting>());
      taken += ErrandScope::leave(errands.back()) ? 1 : 0;
    }
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, 100);
  }
  int runs = 0;
  for (const auto& errand : errands) runs += errand->runs;
  EXPECT_EQ(runs, taken);
}

TEST(ErrandsTest, ScopeIsOfItsThreadAlone) {
  const auto errand = std::make_shared<Counting>();
  const ErrandScope scope;
  std::thread([&] { EXPECT_FALSE(ErrandScope::leave(errand)); }).join();
}

TEST(ErrandsTest, ErrandLivesUntilItIsDone) {
  auto errand = std::make_shared<Counting>();
  const std::weak_ptr<Counting> watch = errand;
  {
    const ErrandScope scope;
    EXPECT_TRUE(ErrandScope::leave(errand));
    errand.reset();
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace penstock
