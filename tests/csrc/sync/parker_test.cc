// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/parker.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <thread>
#include <vector>

#include "penstock/clock.h"
#include "sync/cache_line.h"
#include "sync/mpmc_ring.h"

namespace penstock {
namespace {

constexpr std::int64_t kMs = 1'000'000;
// Long enough that reaching it can only mean a lost wake-up.
std::int64_t far_away() { return RealClock().now_ns() + 30'000 * kMs; }

TEST(ParkerTest, DeadlineInThePastTimesOutAtOnce) {
  Parker parker;
  for (const std::int64_t deadline : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, kMs}) {
    EXPECT_FALSE(parker.wait(parker.prepare_wait(), deadline)) << deadline;
  }
}

TEST(ParkerTest, TimesOutNotBeforeTheDeadline) {
  Parker parker;
  const RealClock clock;
  const std::int64_t deadline = clock.now_ns() + 5 * kMs;
  EXPECT_FALSE(parker.wait(parker.prepare_wait(), deadline));
  EXPECT_GE(clock.now_ns(), deadline);
}

TEST(ParkerTest, NotificationBetweenPrepareAndWaitIsNotLost) {
  Parker parker;
  const Parker::Key one = parker.prepare_wait();
  parker.notify_one();
  EXPECT_TRUE(parker.wait(one, kNoDeadline));
  const Parker::Key all = parker.prepare_wait();
  parker.notify_all();
  EXPECT_TRUE(parker.wait(all, 0));  // a notification wins over a deadline that has passed
}

TEST(ParkerTest, NotificationBeforePrepareIsNotRemembered) {
  Parker parker;
  parker.notify_one();
  parker.notify_all();
  EXPECT_FALSE(parker.wait(parker.prepare_wait(), 0));
}

TEST(ParkerTest, CancelledWaiterLeavesNothingBehind) {
  Parker parker;
  (void)parker.prepare_wait();
  parker.cancel_wait();
  parker.notify_one();  // finds no waiter, so the epoch stays
  EXPECT_FALSE(parker.wait(parker.prepare_wait(), 0));
}

TEST(ParkerTest, NotifyAllWakesEveryWaiter) {
  Parker parker;
  std::atomic<bool> open{false};
  std::atomic<int> prepared{0};
  std::atomic<int> lost{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const Parker::Key key = parker.prepare_wait();
      ++prepared;
      if (!parker.wait(key, far_away()) || !open.load()) ++lost;
    });
  }
  while (prepared.load() != 8) std::this_thread::yield();
  open = true;
  parker.notify_all();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(lost.load(), 0);
}

// Each hand-over puts one thread to sleep and wakes the other: every step can lose its wake-up.
TEST(ParkerTest, PingPongLosesNoWakeUp) {
  constexpr std::uint32_t kRounds = 20000;
  std::array<Parker, 2> parkers;
  std::array<std::atomic<std::uint32_t>, 2> turns{};
  std::atomic<bool> lost{false};
  const auto play = [&](std::size_t me) {
    for (std::uint32_t round = 1; round <= kRounds && !lost.load(); ++round) {
      if (me == 0) {
        turns[1].store(round, std::memory_order_release);  // as weak as a ring's push
        parkers[1].notify_one();
      }
      while (turns[me].load(std::memory_order_acquire) < round && !lost.load()) {
        const Parker::Key key = parkers[me].prepare_wait();
        if (turns[me].load(std::memory_order_acquire) >= round) {
          parkers[me].cancel_wait();
        } else if (!parkers[me].wait(key, far_away())) {
          lost = true;
        }
      }
      if (me == 1) {
        turns[0].store(round, std::memory_order_release);
        parkers[0].notify_one();
      }
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  EXPECT_FALSE(lost.load());
}

// Both sides start each round together, so that the notifier's "publish, look for a waiter" meets
// the waiter's "register, look at the condition" within nanoseconds: without the full ordering
// between the two steps of either side, both look too early in some round.
TEST(ParkerTest, NotifyThatMeetsPrepareIsNotLost) {
#if defined(__SANITIZE_THREAD__)
  constexpr std::uint32_t kRounds = 5'000;  // it checks the orders themselves, not their timing
#else
  constexpr std::uint32_t kRounds = 100'000;
#endif
  Parker parker;
  struct alignas(kCacheLine) Word {
    std::atomic<std::uint32_t> value{0};
  };
  Word condition, ready, go;
  std::atomic<bool> lost{false};
  const auto spin_until = [](const Word& word, std::uint32_t round) {
    for (int spins = 0; word.value.load(std::memory_order_acquire) < round; ++spins) {
      if (spins > 2000) std::this_thread::yield();
    }
  };
  std::thread waiter([&] {
    for (std::uint32_t round = 1; round <= kRounds; ++round) {
      ready.value.store(round, std::memory_order_release);
      spin_until(go, round);
      while (condition.value.load(std::memory_order_relaxed) < round && !lost.load()) {
        const Parker::Key key = parker.prepare_wait();
        if (condition.value.load(std::memory_order_relaxed) >= round) {
          parker.cancel_wait();
        } else if (!parker.wait(key, RealClock().now_ns() + 5'000 * kMs)) {
          lost = true;
        }
      }
    }
  });
  for (std::uint32_t round = 1; round <= kRounds; ++round) {
    spin_until(ready, round);
    parker.notify_one();  // nobody waits: only fetches the cache line
    go.value.store(round, std::memory_order_release);
    // The waiter sees `go` a little later: try the whole range of that delay.
    for (std::uint32_t i = 0; i < round % 128; ++i) (void)go.value.load();
    condition.value.store(round, std::memory_order_release);
    parker.notify_one();
  }
  waiter.join();
  EXPECT_FALSE(lost.load());
}

// A bounded queue with sleeping consumers and sleeping producers, as the schedulers use it.
TEST(ParkerTest, RingWithSleepersOnBothSidesLosesNothing) {
  constexpr std::uint64_t kProducers = 3;
  constexpr std::uint64_t kConsumers = 3;
  constexpr std::uint64_t kEach = 8000;
  MpmcRing<std::uint64_t> ring(4);
  Parker not_empty;
  Parker not_full;
  std::atomic<std::uint64_t> sum{0};
  std::atomic<bool> lost{false};
  const auto until = [&](Parker& parker, auto&& attempt) {
    while (!lost.load()) {
      if (attempt()) return;
      const Parker::Key key = parker.prepare_wait();
      if (attempt()) return parker.cancel_wait();
      if (!parker.wait(key, far_away())) lost = true;
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t p = 0; p < kProducers; ++p) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 1; i <= kEach; ++i) {
        until(not_full, [&] { return ring.try_push(i); });
        not_empty.notify_one();
      }
    });
  }
  for (std::uint64_t c = 0; c < kConsumers; ++c) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        std::uint64_t value = 0;
        until(not_empty, [&] { return ring.try_pop(value); });
        not_full.notify_one();
        sum += value;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(lost.load());
  EXPECT_EQ(sum.load(), kProducers * kEach * (kEach + 1) / 2);
}

// Short deadlines race with notifications: a waiter that timed out must not swallow the wake-up of
// another.
TEST(ParkerTest, TimeoutsDoNotSwallowNotifications) {
  constexpr std::uint64_t kItems = 5000;
  MpmcRing<std::uint64_t> ring(kItems);
  Parker parker;
  std::atomic<std::uint64_t> taken{0};
  std::atomic<bool> lost{false};
  const RealClock clock;
  const auto consume = [&](bool impatient) {
    std::uint64_t value = 0;
    while (taken.load() < kItems && !lost.load()) {
      const Parker::Key key = parker.prepare_wait();
      if (ring.try_pop(value)) {
        parker.cancel_wait();
        if (++taken == kItems) parker.notify_all();
      } else if (taken.load() == kItems) {
        parker.cancel_wait();
      } else if (impatient) {
        (void)parker.wait(key, clock.now_ns() + 2000);
      } else if (!parker.wait(key, far_away())) {
        lost = true;
      }
    }
  };
  std::thread patient(consume, false);
  std::thread impatient(consume, true);
  for (std::uint64_t i = 0; i < kItems; ++i) {
    ASSERT_TRUE(ring.try_push(i));
    parker.notify_one();
    if (i % 16 == 0) std::this_thread::yield();
  }
  patient.join();
  impatient.join();
  EXPECT_FALSE(lost.load());
  EXPECT_EQ(taken.load(), kItems);
}

TEST(ParkerTest, SignalsDoNotEndAWait) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};  // without SA_RESTART: the system call ends with EINTR
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  Parker parker;
  std::atomic<bool> prepared{false};
  std::atomic<bool> notified{false};
  std::atomic<bool> early{false};
  std::thread sleeper([&] {
    const Parker::Key key = parker.prepare_wait();
    prepared = true;
    const bool woken = parker.wait(key, far_away());
    early = !woken || !notified.load();
  });
  while (!prepared.load()) std::this_thread::yield();
  for (int i = 0; i < 200; ++i) {
    pthread_kill(sleeper.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  notified = true;
  parker.notify_one();
  sleeper.join();
  EXPECT_FALSE(early.load());
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace penstock
