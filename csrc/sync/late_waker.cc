// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/late_waker.h"

#include <sched.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

namespace penstock {
namespace {

// An instance answers the requests of a few loops; more of them are woken at once.
constexpr std::size_t kMost = 8;

struct PutOff {
  ~PutOff() { flush(); }
  void flush() noexcept;

  std::array<std::shared_ptr<LateWaker>, kMost> wakers;
  std::size_t count = 0;
  bool open = false;
};

void PutOff::flush() noexcept {
  while (count > 0) std::exchange(wakers[--count], nullptr)->wake_if_asleep();
}

thread_local PutOff put_off_here;

}  // namespace

LateWaker::LateWaker() : timer_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (timer_fd_ < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
}

LateWaker::~LateWaker() { close(timer_fd_); }

void LateWaker::wake() noexcept {
  // relaxed: on a wrong guess the loop is woken at once, or soon
  if (cpu_.load(std::memory_order_relaxed) == sched_getcpu() && LateWakes::put_off(*this)) return;
  wake_now();
}

void LateWaker::sleeps_here() noexcept {
  cpu_.store(sched_getcpu(), std::memory_order_relaxed);  // relaxed: a hint
  // relaxed: ordered by the exchange in CompletionRing::take_all, which follows. Whoever pushes
  // behind that has acquired it.
  asleep_.store(true, std::memory_order_relaxed);
}

void LateWaker::awake() noexcept {
  asleep_.store(false, std::memory_order_relaxed);  // who misses it wakes once too often
}

void LateWaker::wake_if_asleep() noexcept {
  // relaxed: what was pushed before this, while the loop was awake, it takes before it sleeps
  if (asleep_.load(std::memory_order_relaxed)) wake_now();
}

void LateWaker::arm_timer() noexcept {
  const itimerspec once{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = kLatestNs}};
  (void)timerfd_settime(timer_fd_, 0, &once, nullptr);  // fails on bad arguments only
}

LateWakes::Scope::Scope(bool goes_on) noexcept { put_off_here.open = goes_on; }

LateWakes::Scope::~Scope() { put_off_here.open = false; }

bool LateWakes::any() noexcept { return put_off_here.count > 0; }

void LateWakes::flush() noexcept { put_off_here.flush(); }

bool LateWakes::put_off(LateWaker& waker) noexcept {
  PutOff& here = put_off_here;
  if (!here.open) return false;
  auto* const end = here.wakers.begin() + here.count;
  if (std::none_of(here.wakers.begin(), end, [&](auto& w) { return w.get() == &waker; })) {
    if (here.count == kMost) return false;
    here.wakers[here.count++] = waker.shared_from_this();
  }
  waker.arm_timer();  // each time: the loop may have been woken by it meanwhile
  return true;
}

}  // namespace penstock
