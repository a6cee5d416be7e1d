// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Clock: where time comes from. Handed in by constructor, so that every decision that depends on
// time is tested on a ManualClock, without a sleep. Thread safety: both clocks may be read and (the
// manual one) moved from any thread. Nothing blocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

inline constexpr std::int64_t kNoDeadline = INT64_MAX;

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds of a monotonic clock; only differences mean anything.
  [[nodiscard]] virtual std::int64_t now_ns() const = 0;
};

// CLOCK_MONOTONIC, the clock that Parker's timed waits are measured on.
class RealClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ns() const override;
};

class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ns() const override {
    return now_.load(std::memory_order_relaxed);  // a lone counter; pairs with nothing
  }
  void advance_ns(std::int64_t delta) { now_.fetch_add(delta, std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> now_{0};
};

// Milliseconds since the epoch, for `last_inference` (contract 1.11) only.
std::int64_t wall_time_ms();

}  // namespace penstock
