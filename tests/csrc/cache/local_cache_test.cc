// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/local_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace penstock {
namespace {

std::shared_ptr<const CachedAnswer> answer(std::size_t size_bytes) {
  auto made = std::make_shared<CachedAnswer>();
  made->size_bytes = size_bytes;
  return made;
}

constexpr std::size_t kEach = 1000;                              // of an answer
constexpr std::size_t kWhole = kEach + LocalCache::kEntryBytes;  // of its entry

TEST(LocalCacheTest, EvictsWhatWasNotUsedForLongest) {  // 4.6
  LocalCache cache(3 * kWhole);
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(cache.insert({1, i}, answer(kEach)));
  EXPECT_EQ(cache.used_bytes(), 3 * kWhole);
  EXPECT_NE(cache.find({1, 1}), nullptr);  // now 2 is the oldest
  ASSERT_TRUE(cache.insert({1, 4}, answer(kEach)));
  EXPECT_EQ(cache.find({1, 2}), nullptr);
  EXPECT_NE(cache.find({1, 1}), nullptr);
  EXPECT_NE(cache.find({1, 3}), nullptr);
  EXPECT_NE(cache.find({1, 4}), nullptr);
  EXPECT_EQ(cache.used_bytes(), 3 * kWhole);
}

TEST(LocalCacheTest, EvictsAsManyAsALargeOneNeeds) {
  LocalCache cache(4 * kWhole);
  for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(cache.insert({1, i}, answer(kEach)));
  ASSERT_TRUE(cache.insert({1, 5}, answer(2 * kEach)));
  EXPECT_EQ(cache.find({1, 1}), nullptr);
  EXPECT_EQ(cache.find({1, 2}), nullptr);
  EXPECT_NE(cache.find({1, 3}), nullptr);
  EXPECT_EQ(cache.size(), 3u);
}

TEST(LocalCacheTest, RefusesWhatIsLargerThanItself) {
  LocalCache cache(kWhole);
  ASSERT_TRUE(cache.insert({1, 1}, answer(kEach)));
  EXPECT_FALSE(cache.has_room_for(kEach + 1));
  EXPECT_FALSE(cache.insert({1, 2}, answer(kEach + 1)));
  EXPECT_FALSE(cache.insert({1, 2}, answer(SIZE_MAX)));
  EXPECT_NE(cache.find({1, 1}), nullptr) << "a refusal evicts nothing";
  EXPECT_FALSE(LocalCache(LocalCache::kEntryBytes - 1).has_room_for(0));
}

TEST(LocalCacheTest, ReplacesUnderTheSameKeyAndTellsModelsApart) {
  LocalCache cache(10 * kWhole);
  ASSERT_TRUE(cache.insert({1, 1}, answer(kEach)));
  const auto second = answer(kEach / 2);
  ASSERT_TRUE(cache.insert({1, 1}, second));
  EXPECT_EQ(cache.find({1, 1}), second);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.used_bytes(), kEach / 2 + LocalCache::kEntryBytes);
  EXPECT_EQ(cache.find({2, 1}), nullptr);
}

TEST(LocalCacheTest, AnEvictedAnswerLivesWhileItIsHeld) {
  LocalCache cache(kWhole);
  std::weak_ptr<const CachedAnswer> first;
  {
    const auto made = answer(kEach);
    first = made;
    ASSERT_TRUE(cache.insert({1, 1}, made));
  }
  auto held = cache.find({1, 1});
  ASSERT_TRUE(cache.insert({1, 2}, answer(kEach)));
  EXPECT_EQ(cache.find({1, 1}), nullptr);
  EXPECT_EQ(held->size_bytes, kEach);
  held.reset();
  EXPECT_TRUE(first.expired());
}

// Every thread finds, inserts and evicts; what it finds is what was inserted under that key.
TEST(LocalCacheTest, FindsAndEvictsFromManyThreads) {
  constexpr std::size_t kMost = 20 * kWhole;
  LocalCache cache(kMost);
  std::atomic<std::uint64_t> hits{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 20000; ++i) {
      const std::uint64_t number = random() % 64;
      if (const auto found = cache.find({1, number})) {
        ASSERT_EQ(found->asked.at(0), number);
        hits.fetch_add(1);
      } else {
        auto made = std::make_shared<CachedAnswer>();
        made->asked.push_back(static_cast<std::uint32_t>(number));
        made->size_bytes = kEach / 2 + random() % kEach;
        ASSERT_TRUE(cache.insert({1, number}, std::move(made)));
      }
      ASSERT_LE(cache.used_bytes(), kMost);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) threads.emplace_back(work, seed);
  for (auto& thread : threads) thread.join();
  EXPECT_GT(hits.load(), 0u);
  EXPECT_GT(cache.size(), 0u);
}

}  // namespace
}  // namespace penstock
