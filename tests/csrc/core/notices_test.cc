// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/notices.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace penstock {
namespace {

bool readable(const Notices& notices) {
  pollfd wanted{notices.fd(), POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

TEST(Notices, AreReadInOrderAndOnce) {
  Notices notices;
  std::uint64_t dropped = 7;
  EXPECT_FALSE(readable(notices));
  notices.add("one");
  notices.add("two");
  EXPECT_TRUE(readable(notices));
  EXPECT_EQ(notices.take(dropped), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(dropped, 0u);
  EXPECT_FALSE(readable(notices));
  EXPECT_TRUE(notices.take(dropped).empty());
  notices.add("three");
  EXPECT_TRUE(readable(notices));
}

TEST(Notices, BeyondTheBoundAreCounted) {
  Notices notices;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) notices.add("line");
    });
  }
  for (auto& thread : threads) thread.join();
  std::uint64_t dropped = 0;
  EXPECT_EQ(notices.take(dropped).size(), Notices::kMost);
  EXPECT_EQ(dropped, 400 - Notices::kMost);
  notices.add("again");
  EXPECT_EQ(notices.take(dropped).size(), 1u);
  EXPECT_EQ(dropped, 0u);
}

}  // namespace
}  // namespace penstock
