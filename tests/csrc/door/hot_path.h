// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What the doors' threads take: counted in http_hot_path_test.cc for the whole test program.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "penstock/engine.h"

namespace penstock::door::testing {

struct HotPath {
  static inline std::atomic<std::size_t> allocations{0};
  static inline std::atomic<std::size_t> locks{0};
  // The test and its clients are not what is measured.
  static inline thread_local bool is_client = false;
};

// What was taken between its making and check().
class Taken {
 public:
  explicit Taken(Engine& engine)
      : engine_(engine),
        from_system_(engine.pool().stats().system_allocs),
        allocated_(HotPath::allocations),
        locked_(HotPath::locks) {}
  void check() const {
    EXPECT_EQ(HotPath::allocations - allocated_, 0u);
    EXPECT_EQ(HotPath::locks - locked_, 0u);
    EXPECT_EQ(engine_.pool().stats().system_allocs, from_system_);
  }

 private:
  Engine& engine_;
  const std::uint64_t from_system_;
  const std::size_t allocated_;
  const std::size_t locked_;
};

}  // namespace penstock::door::testing
