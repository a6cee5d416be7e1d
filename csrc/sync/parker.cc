// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/parker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace penstock {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "the kernel reads the atomic as a plain 32-bit word");

// FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time, FUTEX_WAIT a relative one that would
// start again after every signal.
long futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, const timespec* until) {
  return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, until, nullptr,
                 FUTEX_BITSET_MATCH_ANY);
}

timespec to_timespec(std::int64_t ns) {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  ns = std::max<std::int64_t>(ns, 0);  // the kernel refuses negative times
  return {static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
}

}  // namespace

bool Parker::wait(Key key, std::int64_t deadline_ns) noexcept {
  const timespec until = to_timespec(deadline_ns);
  const timespec* timeout = deadline_ns == kNoDeadline ? nullptr : &until;
  bool timed_out = false;
  // Signals and futex wake-ups meant for an earlier user of the address end a sleep too early.
  while (epoch_.load() == key.epoch_ && !timed_out) {
    timed_out = futex_wait(epoch_, key.epoch_, timeout) != 0 && errno == ETIMEDOUT;
  }
  const bool notified = epoch_.load() != key.epoch_;
  waiters_.fetch_sub(1);
  return notified;
}

void Parker::wake(std::int32_t count) noexcept {
  epoch_.fetch_add(1);  // pairs with the loads in prepare_wait and wait
  syscall(SYS_futex, &epoch_, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

}  // namespace penstock
