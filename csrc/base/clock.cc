// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/clock.h"

#include <time.h>

namespace penstock {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::int64_t read_clock_ns(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * kNsPerSecond + t.tv_nsec;
}

}  // namespace

std::int64_t RealClock::now_ns() const { return read_clock_ns(CLOCK_MONOTONIC); }

// The coarse clock: a few ms behind at most, and read in a fifth of the time.
std::int64_t wall_time_ms() { return read_clock_ns(CLOCK_REALTIME_COARSE) / 1'000'000; }

}  // namespace penstock
