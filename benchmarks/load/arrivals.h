// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Arrivals: when the requests of an open loop are due, whatever the server does.
// Pacer: which request of a thread may start now, in a closed loop or by arrivals.
//
// Thread safety: none, one thread's. Nothing blocks. Times are nanoseconds of the steady clock.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <random>

#include "load/options.h"

namespace penstock::load {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

class Arrivals {
 public:
  // One of `threads` that have `rate_per_s` together. At a constant rate they take turns, so that
  // together they are as regular as one would be.
  Arrivals(ArrivalKind kind, double rate_per_s, unsigned thread, unsigned threads,
           std::int64_t start_ns);

  [[nodiscard]] std::int64_t due_ns() const { return due_ns_; }
  void advance();

 private:
  ArrivalKind kind_;
  double step_ns_;    // of this thread
  double offset_ns_;  // of its first, from the start
  std::int64_t start_ns_;
  std::int64_t due_ns_ = 0;
  std::uint64_t taken_ = 0;
  std::mt19937_64 random_;
};

class Pacer {
 public:
  Pacer(const Options& options, unsigned thread);

  void begin(std::int64_t start_ns);
  // When the request that starts now was due; none: nothing may start. A closed loop's is due now.
  std::optional<std::int64_t> take(std::int64_t now_ns);
  // When the next one is due: in the past while there is a backlog; kNever in a closed loop.
  [[nodiscard]] std::int64_t next_due_ns() const;
  // Nothing will start any more.
  [[nodiscard]] bool over(std::int64_t now_ns) const { return left_ == 0 || now_ns >= end_ns_; }
  // Requests that waited for a free stream beyond the time-out and were given up.
  [[nodiscard]] std::uint64_t expired() const { return expired_; }
  // Requests that were due before the end, and still waited for a free stream then.
  std::uint64_t count_unsent();

  [[nodiscard]] std::int64_t measured_from_ns() const { return measured_from_ns_; }

 private:
  const Options& options_;
  unsigned thread_;
  std::optional<Arrivals> arrivals_;
  std::int64_t end_ns_ = kNever;
  std::int64_t measured_from_ns_ = 0;
  std::uint64_t left_;
  std::uint64_t expired_ = 0;
};

}  // namespace penstock::load
