// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Wake-ups that are put off: while there is more to do on the core that the loop sleeps on, and
// never for long.
#include "sync/late_waker.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include <memory>
#include <thread>
#include <vector>

#include "support/one_core.h"

namespace penstock {
namespace {

bool readable(int fd, int timeout_ms = 0) {
  pollfd descriptor{fd, POLLIN, 0};
  return poll(&descriptor, 1, timeout_ms) == 1;
}

// Kept to one core, as a loop and an instance that share it are.
class LateWakerTest : public ::testing::Test {
 protected:
  LateWakerTest() { waker_->sleeps_here(); }
  ~LateWakerTest() override { LateWakes::flush(); }
  void wake_in_scope(bool goes_on = true) {
    const LateWakes::Scope scope(goes_on);
    waker_->wake();
  }

  testing::OneCore one_core_;
  std::shared_ptr<LateWaker> waker_ = std::make_shared<LateWaker>();
};

TEST_F(LateWakerTest, WakesAtOnceWhereNobodyGoesOn) {
  waker_->wake();
  EXPECT_TRUE(readable(waker_->fd()));
  EXPECT_FALSE(LateWakes::any());
}

TEST_F(LateWakerTest, WakesAtOnceInAScopeThatEndsTheWork) {
  wake_in_scope(false);
  EXPECT_TRUE(readable(waker_->fd()));
}

TEST_F(LateWakerTest, WakesAtOnceBehindAScope) {
  { const LateWakes::Scope scope(true); }
  waker_->wake();
  EXPECT_TRUE(readable(waker_->fd()));
}

TEST_F(LateWakerTest, IsPutOffUntilTheFlush) {
  wake_in_scope();
  EXPECT_TRUE(LateWakes::any());
  EXPECT_FALSE(readable(waker_->fd()));
  wake_in_scope();  // once more is once
  LateWakes::flush();
  EXPECT_TRUE(readable(waker_->fd()));
  EXPECT_FALSE(LateWakes::any());
}

TEST_F(LateWakerTest, IsWokenByTheTimerWhateverBecomesOfTheThread) {
  wake_in_scope();
  EXPECT_TRUE(readable(waker_->timer_fd(), 5'000));
  EXPECT_FALSE(readable(waker_->fd()));
}

TEST_F(LateWakerTest, PutOffAgainItIsTimedAgain) {
  wake_in_scope();
  ASSERT_TRUE(readable(waker_->timer_fd(), 5'000));
  wake_in_scope();
  EXPECT_FALSE(readable(waker_->timer_fd()));
  EXPECT_TRUE(readable(waker_->timer_fd(), 5'000));
}

TEST_F(LateWakerTest, TheEndOfTheThreadWakes) {
  std::thread([this] { wake_in_scope(); }).join();
  EXPECT_TRUE(readable(waker_->fd()));
}

TEST_F(LateWakerTest, WhoIsAwakeIsNotWoken) {
  wake_in_scope();
  waker_->awake();
  LateWakes::flush();
  EXPECT_FALSE(readable(waker_->fd()));
}

TEST_F(LateWakerTest, WakesAtOnceFromAnotherCore) {
  std::vector<int> others;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &one_core_.before()) && cpu != sched_getcpu()) others.push_back(cpu);
  }
  if (others.empty()) GTEST_SKIP() << "one core only";
  cpu_set_t other;
  CPU_ZERO(&other);
  CPU_SET(others[0], &other);
  sched_setaffinity(0, sizeof other, &other);
  wake_in_scope();
  EXPECT_TRUE(readable(waker_->fd()));
}

TEST_F(LateWakerTest, OutlivesTheLoop) {
  wake_in_scope();
  waker_.reset();
  LateWakes::flush();  // nothing to crash on
  EXPECT_FALSE(LateWakes::any());
}

TEST_F(LateWakerTest, MoreThanThereIsRoomForAreWokenAtOnce) {
  std::vector<std::shared_ptr<LateWaker>> wakers;
  {
    const LateWakes::Scope scope(true);
    for (int i = 0; i < 9; ++i) {
      wakers.push_back(std::make_shared<LateWaker>());
      wakers.back()->sleeps_here();
      wakers.back()->wake();
    }
  }
  EXPECT_FALSE(readable(wakers[7]->fd()));
  EXPECT_TRUE(readable(wakers[8]->fd()));
}

}  // namespace
}  // namespace penstock
