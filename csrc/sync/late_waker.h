// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// LateWaker: wakes a loop at once, or a little later where that costs everybody less.
//
// A loop that is woken on the core of the thread that wakes it interrupts that thread: for one
// answer, two switches between threads that push each other out of the caches. A thread that has
// just finished something short, and looks for more of it next, opens a scope: what is woken in it
// then is woken when the thread finds nothing more, at the latest after kLatestNs, by a timer.
// Thread safety: wake() and wake_now(), any thread; sleeps_here() and awake(), the loop's;
// LateWakes acts on the calling thread alone. Ownership: shared, by the loop and by whoever has put
// it off; an ended loop's may still be woken. Nothing allocates or blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "penstock/completion.h"

namespace penstock {

class LateWaker final : public Waker, public std::enable_shared_from_this<LateWaker> {
 public:
  static constexpr std::int64_t kLatestNs = 1'000'000;

  LateWaker();  // throws std::system_error
  ~LateWaker() override;
  LateWaker(const LateWaker&) = delete;
  LateWaker& operator=(const LateWaker&) = delete;

  void wake() noexcept override;
  void wake_now() noexcept { at_once_.wake(); }

  // Of who was put off before: the loop may have woken up by itself.
  void wake_if_asleep() noexcept;

  // The loop is about to sleep. To be called before it takes what there is a last time.
  void sleeps_here() noexcept;
  void awake() noexcept;
  // Either becomes readable; to be watched edge-triggered, and never read.
  [[nodiscard]] int fd() const { return at_once_.fd(); }
  [[nodiscard]] int timer_fd() const { return timer_fd_; }

 private:
  friend class LateWakes;
  void arm_timer() noexcept;

  WakeFd at_once_;
  int timer_fd_;
  std::atomic<int> cpu_{-1};  // that the loop has slept on last; a hint
  std::atomic<bool> asleep_{false};
};

// What the calling thread has put off. It wakes them when it ends, too.
class LateWakes {
 public:
  // While one lives whose thread `goes_on`, wakers may be put off.
  class Scope {
   public:
    explicit Scope(bool goes_on) noexcept;
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };
  [[nodiscard]] static bool any() noexcept;
  static void flush() noexcept;

 private:
  friend class LateWaker;
  [[nodiscard]] static bool put_off(LateWaker& waker) noexcept;
};

}  // namespace penstock
