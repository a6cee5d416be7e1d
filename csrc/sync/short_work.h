// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ShortWork: may the threads that answer requests in microseconds go before all others on their
// cores?
//
// They may while they leave room: together at most kMostPercent of the cores' time. Where they keep
// the machine busy by themselves (nothing else would run, and a door that goes before the models it
// asks gives them one request at a time) none goes first for a while, which grows as long as that
// stays so. What counts is the time of doors and of batches shorter than kPieceNs, also those of
// threads that never go first.
// Thread safety: every method from any thread. Nothing blocks or allocates.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sync/cache_line.h"

namespace penstock {

class alignas(kCacheLine) ShortWork {
 public:
  static constexpr std::int64_t kPieceNs = 200'000;
  // Whoever goes first wakes up for every piece of a large body, instead of once for several. A
  // piece is what the network hands over at once: a little less than 64 KiB, on the loopback
  // device.
  static constexpr std::size_t kLargeBytes = 32 << 10;
  static constexpr std::int64_t kWindowNs = 100'000'000;
  static constexpr std::int64_t kPauseNs = 1'000'000'000;
  static constexpr std::int64_t kLongestPauseNs = 16'000'000'000;
  static constexpr int kMostPercent = 80;

  explicit ShortWork(int cores) : cores_(cores) {}
  ShortWork(const ShortWork&) = delete;
  ShortWork& operator=(const ShortWork&) = delete;

  // The process's, with the cores that it may use. Not allowed until somebody says so.
  static ShortWork& of_process() noexcept;

  // relaxed, here and below: estimates, which order nothing
  void allow(bool allowed) noexcept { allowed_.store(allowed, std::memory_order_relaxed); }
  [[nodiscard]] bool allowed() const noexcept { return allowed_.load(std::memory_order_relaxed); }

  // A piece of short work has been done.
  void add(std::int64_t took_ns, std::int64_t now_ns) noexcept;
  [[nodiscard]] bool may_go_first(std::int64_t now_ns) const noexcept {
    return allowed() && now_ns >= paused_until_ns_.load(std::memory_order_relaxed);
  }

 private:
  void judge(std::int64_t spent_ns, std::int64_t began_ns, std::int64_t now_ns) noexcept;

  const int cores_;
  std::atomic<bool> allowed_{false};
  std::atomic<std::int64_t> spent_ns_{0};  // in the window that began then
  std::atomic<std::int64_t> began_ns_{0};
  std::atomic<std::int64_t> paused_until_ns_{0};
  std::atomic<std::int64_t> pause_ns_{kPauseNs};  // the next one
};

}  // namespace penstock
