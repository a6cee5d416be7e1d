// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// play_seeds(): a simulation for many seeds. What fails names its seed, and is played again alone:
//
//   PENSTOCK_SEED=4711 test_sched --gtest_filter='*Simulation*'      that one
//   PENSTOCK_SEEDS=1000000 test_sched --gtest_filter='*Simulation*'  so many instead of a few
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace penstock::testing {

inline std::uint64_t seed_setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// `play(seed)` says what went wrong; empty: nothing did.
template <typename Play>
void play_seeds(std::uint64_t count, Play play) {
  const std::uint64_t only = seed_setting("PENSTOCK_SEED", 0);
  const std::uint64_t last = only != 0 ? only : seed_setting("PENSTOCK_SEEDS", count);
  for (std::uint64_t seed = only != 0 ? only : 1; seed <= last; ++seed) {
    const std::string error = play(seed);
    ASSERT_EQ(error, "") << "play it again: PENSTOCK_SEED=" << seed;
  }
}

}  // namespace penstock::testing
