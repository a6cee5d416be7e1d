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

// Sleeps while the word has that value, until `deadline_ns` at most; false: timed out. May return
// true for no reason.
bool futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::int64_t deadline_ns) noexcept;
void futex_wake(std::atomic<std::uint32_t>& word, std::int32_t count) noexcept;

// `Atom`: as in MpmcRing; futex_wait and futex_wake belong to it.
template <template <typename> class Atom = std::atomic>
class alignas(kCacheLine) BasicParker {
 public:
  class Key {
    friend class BasicParker;
    explicit Key(std::uint32_t epoch) : epoch_(epoch) {}
    std::uint32_t epoch_;
  };

  BasicParker() = default;
  BasicParker(const BasicParker&) = delete;
  BasicParker& operator=(const BasicParker&) = delete;

  // Announces a wait. The caller looks at its condition once more, then calls cancel_wait() or
  // wait(): exactly one of them.
  [[nodiscard]] Key prepare_wait() noexcept {
    // acquire, of both: pairs with the release in notify_* and in wake
    waiters_.fetch_add(1, std::memory_order_acquire);
    return Key(epoch_.load(std::memory_order_acquire));
  }
  // relaxed: only the number matters
  void cancel_wait() noexcept { waiters_.fetch_sub(1, std::memory_order_relaxed); }

  // Sleeps until a notification after prepare_wait() or until `deadline_ns` on CLOCK_MONOTONIC
  // (kNoDeadline: for ever). False: timed out. May return true for a notification that another
  // waiter has made use of.
  [[nodiscard]] bool wait(Key key, std::int64_t deadline_ns = kNoDeadline) noexcept {
    bool timed_out = false;
    // Signals and futex wake-ups meant for an earlier user of the address end a sleep too early.
    bool notified = has_moved(key);
    while (!notified && !timed_out) {
      timed_out = !futex_wait(epoch_, key.epoch_, deadline_ns);
      notified = has_moved(key);
    }
    cancel_wait();
    return notified;
  }

  // relaxed: a hint
  [[nodiscard]] bool anybody_waits() const noexcept {
    return waiters_.load(std::memory_order_relaxed) != 0;
  }

  // Call after the condition was made true. notify_one wakes at least one waiter, if there is one.
  void notify_one() noexcept {
    if (any_waiter()) wake(1);
  }
  void notify_all() noexcept {
    if (any_waiter()) wake(INT32_MAX);
  }

 private:
  // release: pairs with the acquire in prepare_wait, for the condition
  [[nodiscard]] bool any_waiter() noexcept {
    return waiters_.fetch_add(0, std::memory_order_release) != 0;
  }
  // acquire: pairs with the release in wake, for the condition
  [[nodiscard]] bool has_moved(Key key) const noexcept {
    return epoch_.load(std::memory_order_acquire) != key.epoch_;
  }
  void wake(std::int32_t count) noexcept {
    // release: pairs with the loads in prepare_wait and wait
    epoch_.fetch_add(1, std::memory_order_release);
    futex_wake(epoch_, count);
  }

  Atom<std::uint32_t> waiters_{0};
  Atom<std::uint32_t> epoch_{0};  // the futex; changes with every wake
};

using Parker = BasicParker<>;

}  // namespace penstock
