// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "memory/block_table.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace penstock {
namespace {

TEST(BlockTableTest, NumbersLeadBackToTheSameHeaderAcrossSlabs) {
  BlockTable table;
  std::vector<Block*> blocks;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    blocks.push_back(table.add());
    ASSERT_NE(blocks.back(), nullptr);
    ASSERT_EQ(blocks.back()->number, i);
  }
  for (std::uint32_t i = 0; i < 5000; ++i) ASSERT_EQ(&table[i], blocks[i]);
  EXPECT_EQ(std::set<Block*>(blocks.begin(), blocks.end()).size(), 5000U);
}

TEST(BlockTableTest, ThreadsGetDifferentHeaders) {
  BlockTable table;
  std::vector<std::set<Block*>> got(4);
  std::vector<std::thread> threads;
  for (auto& mine : got) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        Block* block = table.add();
        if (block == &table[block->number]) mine.insert(block);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<Block*> all;
  for (const auto& mine : got) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 4000U);
}

}  // namespace
}  // namespace penstock
