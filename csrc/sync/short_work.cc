// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/short_work.h"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace penstock {
namespace {

int usable_cores() noexcept {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return CPU_COUNT(&cores);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));  // over 1024 of them
}

}  // namespace

ShortWork& ShortWork::of_process() noexcept {
  static ShortWork one(usable_cores());
  return one;
}

// relaxed, all of them: estimates, which order nothing. Who wins the exchange judges the window.
void ShortWork::add(std::int64_t took_ns, std::int64_t now_ns) noexcept {
  spent_ns_.fetch_add(took_ns, std::memory_order_relaxed);
  std::int64_t began_ns = began_ns_.load(std::memory_order_relaxed);
  if (began_ns != 0 && now_ns - began_ns < kWindowNs) return;
  // relaxed, here and below: as above
  if (!began_ns_.compare_exchange_strong(began_ns, now_ns, std::memory_order_relaxed)) return;
  if (began_ns == 0) return;  // the first window begins
  judge(spent_ns_.exchange(0, std::memory_order_relaxed), began_ns, now_ns);
}

// One thread a window.
void ShortWork::judge(std::int64_t spent_ns, std::int64_t began_ns, std::int64_t now_ns) noexcept {
  // Where nobody goes first, what a piece took has the others' time in it.
  if (began_ns < paused_until_ns_.load(std::memory_order_relaxed)) return;
  std::int64_t next_ns = kPauseNs;
  if (spent_ns > (now_ns - began_ns) / 100 * kMostPercent * cores_) {
    // relaxed, here and below: estimates
    const std::int64_t pause_ns = pause_ns_.load(std::memory_order_relaxed);
    paused_until_ns_.store(now_ns + pause_ns, std::memory_order_relaxed);
    next_ns = std::min(2 * pause_ns, kLongestPauseNs);
  }
  pause_ns_.store(next_ns, std::memory_order_relaxed);
}

}  // namespace penstock
