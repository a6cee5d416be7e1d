// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/tagged_stack.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace penstock {
namespace {

struct Slots {
  explicit Slots(std::uint32_t count) : links(count), owners(count) {
    for (std::uint32_t i = 0; i < count; ++i) push(i);
  }
  void push(std::uint32_t number) {
    stack.push(
        number, [this](std::uint32_t i) -> auto& { return links[i]; });
  }
  std::uint32_t pop() {
    return stack.pop([this](std::uint32_t i) -> auto& { return links[i]; });
  }
  TaggedStack<> stack;
  std::vector<std::atomic<std::uint32_t>> links;
  std::vector<int> owners;  // not atomic on purpose: TSan sees a slot handed on without order
};

TEST(TaggedStackTest, LastInFirstOut) {
  Slots slots(3);
  EXPECT_EQ(slots.pop(), 2U);
  EXPECT_EQ(slots.pop(), 1U);
  slots.push(2);
  EXPECT_EQ(slots.pop(), 2U);
  EXPECT_EQ(slots.pop(), 0U);
  EXPECT_EQ(slots.pop(), TaggedStack<>::kNone);
  EXPECT_EQ(slots.pop(), TaggedStack<>::kNone);
  slots.push(1);
  EXPECT_EQ(slots.pop(), 1U);
}

// As many slots as threads, each of which holds one at most: there is always one left, however the
// threads are stopped, and it is never another's.
TEST(TaggedStackTest, NoSlotIsLostOrSharedByThreads) {
  constexpr int kRounds = 40'000;
  constexpr std::uint32_t kThreads = 4;
  Slots slots(kThreads);
  std::atomic<int> missing{0};
  std::atomic<int> shared{0};
  std::vector<std::thread> threads;
  for (std::uint32_t t = 1; t <= kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        const std::uint32_t slot = slots.pop();
        if (slot == TaggedStack<>::kNone) {
          ++missing;
          continue;
        }
        if (slots.owners[slot] != 0) ++shared;
        slots.owners[slot] = static_cast<int>(t);
        if (i % 4 == 0) std::this_thread::yield();
        if (slots.owners[slot] != static_cast<int>(t)) ++shared;
        slots.owners[slot] = 0;
        slots.push(slot);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(missing.load(), 0);
  EXPECT_EQ(shared.load(), 0);
  std::vector<bool> back(kThreads, false);
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    const std::uint32_t slot = slots.pop();
    ASSERT_LT(slot, kThreads);
    EXPECT_FALSE(back[slot]);
    back[slot] = true;
  }
}

}  // namespace
}  // namespace penstock
