// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "fake_cudart.h"
#include "penstock/buffer.h"

namespace penstock {
namespace {

using testing::HasSubstr;

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

class PinnedAllocatorTest : public testing::Test {
 protected:
  void SetUp() override {
    library_ = dlopen(PENSTOCK_FAKE_CUDART, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << dlerror();
    state_ = static_cast<FakeCudartState*>(dlsym(library_, "fake_cudart_state"));
    ASSERT_NE(state_, nullptr);
    *state_ = FakeCudartState{};
  }
  void TearDown() override {
    if (library_ != nullptr) dlclose(library_);
  }

  void* library_ = nullptr;
  FakeCudartState* state_ = nullptr;
};

TEST_F(PinnedAllocatorTest, AllocatesAndFreesThroughTheRuntime) {
  auto allocator = make_pinned_allocator(PENSTOCK_FAKE_CUDART);
  ASSERT_TRUE(allocator.ok()) << allocator.status().message();
  EXPECT_EQ(allocator.value()->kind(), MemoryKind::kPinned);
  void* memory = allocator.value()->allocate(100'000);
  ASSERT_NE(memory, nullptr);
  EXPECT_TRUE(aligned(memory));
  EXPECT_EQ(state_->live_blocks, 1U);
  EXPECT_EQ(state_->last_flags, 1U);  // cudaHostAllocPortable
  std::memset(memory, 1, 100'000);
  allocator.value()->deallocate(memory, 100'000);
  EXPECT_EQ(state_->live_blocks, 0U);
}

TEST_F(PinnedAllocatorTest, AllocationFailureGivesNull) {
  auto allocator = make_pinned_allocator(PENSTOCK_FAKE_CUDART);
  ASSERT_TRUE(allocator.ok());
  state_->host_alloc_error = 2;
  EXPECT_EQ(allocator.value()->allocate(64), nullptr);
  allocator.value()->deallocate(nullptr, 64);
  EXPECT_EQ(state_->live_blocks, 0U);
}

TEST_F(PinnedAllocatorTest, PoolOfPinnedMemoryCountsAndReturnsAll) {
  auto allocator = make_pinned_allocator(PENSTOCK_FAKE_CUDART);
  ASSERT_TRUE(allocator.ok());
  {
    BufferPool pool(std::move(allocator.value()), {});
    EXPECT_EQ(pool.kind(), MemoryKind::kPinned);
    BufferLease lease = pool.acquire(5000);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->memory, MemoryKind::kPinned);
    state_->host_alloc_error = 2;
    EXPECT_FALSE(pool.acquire(5000));
    EXPECT_EQ(pool.stats().in_use_bytes, 8192U);
    lease.reset();
    EXPECT_TRUE(pool.acquire(5000));  // from the cache: needs no runtime
    EXPECT_EQ(state_->live_blocks, 1U);
  }
  EXPECT_EQ(state_->live_blocks, 0U);
}

TEST_F(PinnedAllocatorTest, RuntimeErrorIsReportedInItsOwnWords) {
  state_->device_count_error = 100;
  const auto allocator = make_pinned_allocator(PENSTOCK_FAKE_CUDART);
  ASSERT_FALSE(allocator.ok());
  EXPECT_EQ(allocator.status().code(), Code::kUnavailable);
  EXPECT_EQ(allocator.status().message(),
            PENSTOCK_FAKE_CUDART ": no CUDA-capable device is detected");
}

TEST_F(PinnedAllocatorTest, NoDeviceIsReported) {
  state_->device_count = 0;
  const auto allocator = make_pinned_allocator(PENSTOCK_FAKE_CUDART);
  ASSERT_FALSE(allocator.ok());
  EXPECT_EQ(allocator.status().message(), PENSTOCK_FAKE_CUDART ": no CUDA device");
}

TEST(PinnedAllocatorErrorTest, MissingLibraryIsNamed) {
  const auto allocator = make_pinned_allocator("/nonexistent/libcudart.so");
  ASSERT_FALSE(allocator.ok());
  EXPECT_EQ(allocator.status().code(), Code::kUnavailable);
  EXPECT_THAT(allocator.status().message(),
              HasSubstr("no CUDA runtime: /nonexistent/libcudart.so: cannot open"));
}

TEST(PinnedAllocatorErrorTest, LibraryWithoutTheFunctionsIsRefused) {
  const auto allocator = make_pinned_allocator(PENSTOCK_NOT_CUDART);
  ASSERT_FALSE(allocator.ok());
  EXPECT_EQ(allocator.status().message(),
            PENSTOCK_NOT_CUDART ": not a CUDA runtime, it has no cudaFreeHost");
}

// Whatever the machine has: either it works or the reason names what was tried.
TEST(PinnedAllocatorErrorTest, UsualNamesWorkOrSayWhyNot) {
  for (const char* library : {static_cast<const char*>(nullptr), ""}) {
    auto allocator = make_pinned_allocator(library);
    if (allocator.ok()) {
      void* memory = allocator.value()->allocate(4096);
      ASSERT_NE(memory, nullptr);
      allocator.value()->deallocate(memory, 4096);
    } else {
      EXPECT_THAT(allocator.status().message(), HasSubstr("libcudart.so"));
    }
  }
}

}  // namespace
}  // namespace penstock
