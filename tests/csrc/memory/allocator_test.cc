// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "penstock/buffer.h"

namespace penstock {
namespace {

bool aligned(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory) % 64 == 0; }

TEST(PageAllocatorTest, EverySizeIsAlignedAndWritable) {
  const auto allocator = make_page_allocator();
  EXPECT_EQ(allocator->kind(), MemoryKind::kCpu);
  for (const std::size_t size : {0UL, 1UL, 63UL, 64UL, 65UL, 4096UL, (256UL << 10) - 1, 256UL << 10,
                                 (256UL << 10) + 1, 5UL << 20}) {
    void* memory = allocator->allocate(size);
    ASSERT_NE(memory, nullptr) << size;
    EXPECT_TRUE(aligned(memory)) << size;
    std::memset(memory, 0x5a, size);
    allocator->deallocate(memory, size);
  }
  allocator->deallocate(nullptr, 64);
}

TEST(PageAllocatorTest, SizesThatNobodyHasGiveNull) {
  const auto allocator = make_page_allocator();
  for (const std::size_t size : {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2 + 1, SIZE_MAX / 2}) {
    EXPECT_EQ(allocator->allocate(size), nullptr) << size;
  }
}

}  // namespace
}  // namespace penstock
