// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/request_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <thread>

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
  seen.policy = sched_getscheduler(0);
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

}  // namespace
}  // namespace penstock
