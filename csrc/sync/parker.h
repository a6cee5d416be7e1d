// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Parker: sleep until a condition that lives elsewhere (a ring has something) may have come true;
// an eventcount on a futex.
//
//   waiter                                   notifier
//     Key key = parker.prepare_wait();         make the condition true
//     if (condition) parker.cancel_wait();     parker.notify_one();
//     else parker.wait(key, deadline_ns);
//     look at the condition again
//
// Thread safety: every method from any thread; destroy it only when nobody waits or notifies.
// Ownership: none. Only wait() blocks; a notify that finds no waiter is one atomic operation, no
// system call.
//
// Why no wake-up is lost. The waiter registers and the notifier looks for waiters by a
// read-modify-write of the same word, so one of the two comes first. Notifier first: the waiter's
// operation reads what the notifier's wrote, which makes the condition visible to the check after
// prepare_wait(). Waiter first: the notifier sees it, changes the epoch and wakes; a waiter that
// read the old epoch finds it changed or is woken, one that read the new epoch sees the condition.
// (The usual form, a fence on both sides around a plain load, is the same on x86 but is not
// understood by ThreadSanitizer.)
#pragma once

#include <atomic>
#include <cstdint>

#include "penstock/clock.h"
#include "sync/cache_line.h"

namespace penstock {

class alignas(kCacheLine) Parker {
 public:
  class Key {
    friend class Parker;
    explicit Key(std::uint32_t epoch) : epoch_(epoch) {}
    std::uint32_t epoch_;
  };

  Parker() = default;
  Parker(const Parker&) = delete;
  Parker& operator=(const Parker&) = delete;

  // Announces a wait. The caller looks at its condition once more, then calls cancel_wait() or
  // wait(): exactly one of them.
  [[nodiscard]] Key prepare_wait() noexcept {
    waiters_.fetch_add(1);      // pairs with the fetch_add in notify_*
    return Key(epoch_.load());  // pairs with the fetch_add in wake
  }
  void cancel_wait() noexcept { waiters_.fetch_sub(1); }

  // Sleeps until a notification after prepare_wait() or until `deadline_ns` on CLOCK_MONOTONIC
  // (kNoDeadline: for ever). False: timed out. May return true for a notification that another
  // waiter has made use of.
  [[nodiscard]] bool wait(Key key, std::int64_t deadline_ns = kNoDeadline) noexcept;

  // Call after the condition was made true. notify_one wakes at least one waiter, if there is one.
  void notify_one() noexcept {
    if (waiters_.fetch_add(0) != 0) wake(1);
  }
  void notify_all() noexcept {
    if (waiters_.fetch_add(0) != 0) wake(INT32_MAX);
  }

 private:
  void wake(std::int32_t count) noexcept;

  std::atomic<std::uint32_t> waiters_{0};
  std::atomic<std::uint32_t> epoch_{0};  // the futex; changes with every wake
};

}  // namespace penstock
