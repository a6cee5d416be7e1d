// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "interleave/cases.h"

namespace penstock::interleave {
namespace {

constexpr std::uint64_t kMostExecutions = 100'000'000;

// The large scenarios, too.
bool full() { return std::getenv("PENSTOCK_FULL") != nullptr; }

class InterleaveTest : public testing::TestWithParam<Case> {};

TEST_P(InterleaveTest, HoldsInEveryExecution) {
  if (GetParam().large && !full()) GTEST_SKIP() << "large: with PENSTOCK_FULL=1";
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = explore(GetParam(), kMostExecutions);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << GetParam().name << ": " << outcome.executions << " executions (" << outcome.redundant
            << " redundant), " << took.count() << " s\n";
  EXPECT_EQ(outcome.failure, "");
  EXPECT_TRUE(outcome.complete);
}

INSTANTIATE_TEST_SUITE_P(All, InterleaveTest, testing::ValuesIn(all_cases()),
                         [](const auto& param) {
                           std::string name = param.param.name;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace penstock::interleave
