// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/request_thread.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "sync/short_work.h"
#include "sync/spin.h"

namespace penstock {
namespace {

struct Seen {
  std::array<char, 16> name{};
  int policy = -1;
  int nice = -1;
  std::uint64_t slice_ns = 0;
};

// The words of struct sched_attr: size and policy, flags, nice and priority, runtime, ...
Seen look() {
  Seen seen;
  std::array<std::uint64_t, 6> words{};
  pthread_getname_np(pthread_self(), seen.name.data(), seen.name.size());
  seen.policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  seen.nice = getpriority(PRIO_PROCESS, 0);
  if (syscall(SYS_sched_getattr, 0, words.data(), sizeof words, 0) == 0) seen.slice_ns = words[3];
  return seen;
}

Seen thread_named(const char* name) {
  Seen seen;
  std::thread([&] {
    begin_request_thread(name);
    seen = look();
  }).join();
  return seen;
}

TEST(RequestThread, HasANameOfAtMost15Bytes) {
  EXPECT_STREQ(thread_named("door").name.data(), "door");
  EXPECT_STREQ(thread_named("a_model_with_a_long_name").name.data(), "a_model_with_a_");
}

TEST(RequestThread, KeepsPolicyAndNiceness) {
  const Seen before = look();
  const Seen seen = thread_named("door");
  EXPECT_EQ(seen.policy, before.policy);
  EXPECT_EQ(seen.nice, before.nice);
}

TEST(RequestThread, HasAShorterSliceThanOthers) {
  const Seen other = look();
  if (other.slice_ns == 0) GTEST_SKIP() << "this kernel knows no slices of threads";
  EXPECT_LT(thread_named("door").slice_ns, other.slice_ns);
}

constexpr std::int64_t kShort = ShortWork::kPieceNs / 10;
constexpr std::int64_t kLong = ShortWork::kPieceNs;

bool is_first() { return look().policy == SCHED_RR; }

// Of this thread alone: only a limit may permit it to raise its priority.
void drop_privilege() {
  __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> held{};
  ASSERT_EQ(syscall(SYS_capget, &head, held.data()), 0);
  held[0].effective &= ~(1u << CAP_SYS_NICE);
  ASSERT_EQ(syscall(SYS_capset, &head, held.data()), 0);
}

void pieces(int count, std::int64_t took_ns, std::size_t moved_bytes = 0) {
  static std::int64_t now_ns = 1'000'000'000;
  for (int i = 0; i < count; ++i) work_done(took_ns, now_ns += 10'000'000, moved_bytes);
}

// The process's short work may go first, as of a server; each test in threads of its own.
class WhoGoesFirst : public testing::Test {
 protected:
  void SetUp() override {
    bool permitted = false;
    std::thread([&] {
      const sched_param lowest{.sched_priority = sched_get_priority_min(SCHED_RR)};
      permitted = sched_setscheduler(0, SCHED_RR, &lowest) == 0;
    }).join();
    if (!permitted) GTEST_SKIP() << "not permitted here";
    ShortWork::of_process().allow(true);
  }
  void TearDown() override { ShortWork::of_process().allow(false); }

  static void as(GoesFirst when, const std::function<void()>& body) {
    std::thread([&] {
      begin_request_thread("thread", {.when = when});
      body();
    }).join();
  }
};

TEST_F(WhoGoesFirst, ADoorFromItsFirstWorkOn) {
  as(GoesFirst::kWhileSmall, [] {
    EXPECT_FALSE(goes_first());
    pieces(1, kLong);
    EXPECT_TRUE(goes_first());
    EXPECT_TRUE(is_first());
  });
}

TEST_F(WhoGoesFirst, ADoorWhileItMovesNoLargeBodies) {
  as(GoesFirst::kWhileSmall, [] {
    pieces(1, kLong, ShortWork::kLargeBytes - 1);
    EXPECT_TRUE(is_first());
    pieces(1, kShort, ShortWork::kLargeBytes);
    EXPECT_FALSE(is_first());
    pieces(7, kLong);
    EXPECT_FALSE(is_first());
    pieces(1, kLong);
    EXPECT_TRUE(is_first());
  });
}

TEST_F(WhoGoesFirst, NobodyWhoDidNotAsk) {
  as(GoesFirst::kNever, [] {
    pieces(20, kShort);
    EXPECT_FALSE(goes_first());
    EXPECT_FALSE(is_first());
  });
}

TEST_F(WhoGoesFirst, AnInstanceWhileItsBatchesAreShort) {
  as(GoesFirst::kWhileShort, [] {
    const Seen before = look();
    pieces(1, kShort);
    EXPECT_TRUE(is_first());
    pieces(1, kLong);
    const Seen after = look();
    EXPECT_EQ(after.policy, before.policy);
    EXPECT_EQ(after.nice, before.nice);
    EXPECT_EQ(after.slice_ns, before.slice_ns);
    pieces(7, kShort);
    EXPECT_FALSE(is_first());
    pieces(1, kShort);
    EXPECT_TRUE(is_first());
  });
}

TEST_F(WhoGoesFirst, NobodyOnceItIsNotAllowedAnyMore) {
  as(GoesFirst::kWhileSmall, [] {
    pieces(1, kShort);
    ASSERT_TRUE(is_first());
    ShortWork::of_process().allow(false);
    pieces(1, kShort);
    EXPECT_FALSE(is_first());
  });
}

TEST_F(WhoGoesFirst, NotThoseThatTheyStart) {
  as(GoesFirst::kWhileSmall, [] {
    pieces(1, kShort);
    ASSERT_TRUE(is_first());
    bool child = true;
    std::thread([&] { child = is_first(); }).join();
    EXPECT_FALSE(child);
  });
}

TEST_F(WhoGoesFirst, NobodyWhereItIsNotPermitted) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_RTPRIO, &limit), 0);
  if (limit.rlim_cur > 0) GTEST_SKIP() << "a limit permits it";
  as(GoesFirst::kWhileSmall, [] {
    drop_privilege();
    pieces(1, kShort);
    EXPECT_FALSE(goes_first());
    EXPECT_FALSE(is_first());
    EXPECT_FALSE(ShortWork::of_process().allowed());
  });
}

// A limit of real-time priorities permits less than the capability does.
TEST_F(WhoGoesFirst, GivesItUpWithoutThePrivilege) {
  as(GoesFirst::kWhileShort, [] {
    pieces(1, kShort);
    ASSERT_TRUE(is_first());
    drop_privilege();
    pieces(1, kLong);
    EXPECT_FALSE(goes_first());
    EXPECT_FALSE(is_first());
  });
}

// Computes for so long, and says that it was one piece.
void compute(std::int64_t for_ns, std::int64_t& now_ns) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(for_ns);
  while (std::chrono::steady_clock::now() < until) {
  }
  work_done(for_ns, now_ns += for_ns);
}

TEST_F(WhoGoesFirst, WhatWasLongIsNotCountedAsShortAfterwards) {
  as(GoesFirst::kWhileShort, [] {
    std::int64_t now_ns = 1'000'000'000'000;
    work_done(kShort, now_ns);
    for (int i = 0; i < 20; ++i) compute(20 * ShortWork::kPieceNs, now_ns);  // 80 ms, on one core
    for (int i = 0; i < 30; ++i) work_done(1'000, now_ns += ShortWork::kWindowNs / 20);
    EXPECT_TRUE(is_first());
    EXPECT_TRUE(ShortWork::of_process().may_go_first(now_ns));
  });
}

TEST_F(WhoGoesFirst, NotWhoHardlyLeavesItsCore) {
  as(GoesFirst::kWhileSmall, [] {
    std::int64_t now_ns = 2'000'000'000'000;
    const std::int64_t step_ns = ShortWork::kWindowNs / 10;
    for (int i = 0; i < 8; ++i) compute(step_ns, now_ns);
    EXPECT_TRUE(is_first());
    for (int i = 0; i < 8; ++i) compute(step_ns, now_ns);
    EXPECT_FALSE(is_first());
    work_done(kShort, now_ns += ShortWork::kPauseNs);
    work_done(kShort, now_ns += ShortWork::kLongestPauseNs);
    EXPECT_TRUE(is_first());
  });
}

// Both on one core: the one that spins must let the other one run.
TEST_F(WhoGoesFirst, WhoSpinsLetsOthersOnItsCoreRun) {
  cpu_set_t usable;
  ASSERT_EQ(sched_getaffinity(0, sizeof usable, &usable), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &usable)) CPU_SET(core, &one);
  }
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  std::thread other([&] {
    sched_setaffinity(0, sizeof one, &one);
    while (!done.load()) rounds.fetch_add(1);
  });
  while (rounds.load() == 0) std::this_thread::yield();
  as(GoesFirst::kWhileSmall, [&] {
    sched_setaffinity(0, sizeof one, &one);
    pieces(1, kShort);
    ASSERT_TRUE(is_first());
    const int before = rounds.load();
    // Sooner than the kernel would let it run in any case, after most of a second.
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    while (rounds.load() == before && std::chrono::steady_clock::now() < until) spin(rounds);
    EXPECT_NE(rounds.load(), before);
  });
  done.store(true);
  other.join();
}

}  // namespace
}  // namespace penstock
