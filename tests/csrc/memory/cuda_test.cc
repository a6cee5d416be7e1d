// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/cuda.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "fake_cudart.h"

namespace penstock {
namespace {

using testing::HasSubstr;

class CudaTest : public testing::Test {
 protected:
  [[nodiscard]] static std::shared_ptr<CudaRuntime> open() {
    auto runtime = CudaRuntime::open({PENSTOCK_FAKE_CUDART});
    EXPECT_TRUE(runtime.ok()) << runtime.status().message();
    return runtime.value();
  }
  FakeCudart fake_{PENSTOCK_FAKE_CUDART};
};

TEST_F(CudaTest, PinnedMemoryIsAllocatedForEveryDeviceAndFreed) {
  const auto allocator = make_pinned_allocator(open());
  EXPECT_EQ(allocator->kind(), MemoryKind::kPinned);
  void* memory = allocator->allocate(100'000);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0U);
  EXPECT_STREQ(fake_->log(), "cudaHostAlloc 100000 1\n");  // cudaHostAllocPortable
  std::memset(memory, 1, 100'000);
  allocator->deallocate(memory, 100'000);
  allocator->deallocate(nullptr, 64);
  EXPECT_EQ(fake_->live(), 0U);
}

TEST_F(CudaTest, PoolOfPinnedMemoryCountsAndReturnsAll) {
  {
    BufferPool pool(make_pinned_allocator(open()), {});
    EXPECT_EQ(pool.kind(), MemoryKind::kPinned);
    BufferLease lease = pool.acquire(5000);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->memory, MemoryKind::kPinned);
    fake_->fail("cudaHostAlloc", 2, 0);
    EXPECT_FALSE(pool.acquire(5000));
    EXPECT_EQ(pool.stats().in_use_bytes, 8192U);
    lease.reset();
    EXPECT_TRUE(pool.acquire(5000));  // from the cache: needs no runtime
    EXPECT_EQ(fake_->live(), 1U);
  }
  EXPECT_EQ(fake_->live(), 0U);
}

TEST_F(CudaTest, DevicesHavePoolsOfTheirOwn) {
  fake_->set_device_count(2, 0);
  {
    DevicePools pools(open(), {{1, 4096}});
    auto first = pools.pool(0);
    auto second = pools.pool(1);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_NE(first.value(), second.value());
    BufferLease lease = second.value()->acquire(5000);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->memory, MemoryKind::kGpu);
    EXPECT_EQ(lease->device, 1);
    const auto usage = pools.usage();
    ASSERT_EQ(usage.size(), 2U);
    EXPECT_EQ(usage[0].pool_bytes, DevicePools::kDefaultBytes);
    EXPECT_EQ(usage[1].pool_bytes, 4096U);
    EXPECT_EQ(usage[1].stats.in_use_bytes, 8192U);
    lease.reset();
    EXPECT_EQ(pools.usage()[1].stats.cached_bytes, 0U);  // more than it may keep
    EXPECT_EQ(fake_->live(), 0U);
  }
  EXPECT_EQ(fake_->live(), 0U);
}

TEST_F(CudaTest, ThreadKeepsItsDeviceWhileAPoolAllocatesElsewhere) {
  fake_->set_device_count(2, 0);
  const auto runtime = open();
  ASSERT_TRUE(runtime->use(0).ok());
  const auto allocator = make_device_allocator(runtime, 1);
  void* memory = allocator->allocate(64);
  const auto found = runtime->memory(0);  // asks of device 0, whichever the thread has
  ASSERT_TRUE(found.ok());
  allocator->deallocate(memory, 64);
  EXPECT_EQ(fake_->live(), 0U);
}

TEST_F(CudaTest, NoSuchDeviceIsNamed) {
  DevicePools pools(open(), {});
  for (const std::int32_t device : {-1, 1, 64}) {
    const auto pool = pools.pool(device);
    ASSERT_FALSE(pool.ok());
    EXPECT_EQ(pool.status().code(), Code::kInvalidArg);
    EXPECT_EQ(pool.status().message(),
              "there is no GPU " + std::to_string(device) + ", the CUDA runtime has 1");
  }
}

TEST_F(CudaTest, MemoryThatRunsOutIsNoLoss) {
  fake_->set_memory(10'000);
  const auto runtime = open();
  const auto allocator = make_device_allocator(runtime, 0);
  void* memory = allocator->allocate(8000);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(allocator->allocate(8000), nullptr);
  EXPECT_TRUE(runtime->lost(0).ok());
  EXPECT_EQ(runtime->memory(0).value().free_bytes, 2000U);
  EXPECT_EQ(runtime->memory(0).value().total_bytes, 10'000U);
  allocator->deallocate(memory, 8000);
}

TEST_F(CudaTest, StreamCopiesThereAndBackInOrder) {
  const auto runtime = open();
  DevicePools pools(runtime, {});
  BufferPool host(make_pinned_allocator(runtime), {});
  auto stream = CudaStream::create(runtime, 0);
  auto event = CudaEvent::create(runtime, 0);
  ASSERT_TRUE(stream.ok() && event.ok());
  BufferLease in = host.acquire(4096);
  BufferLease out = host.acquire(4096);
  BufferLease device = pools.pool(0).value()->acquire(4096);
  std::memset(in->data, 7, 4096);
  std::memset(out->data, 0, 4096);
  fake_->hold();
  EXPECT_TRUE(stream.value()->copy(device->data, in->data, 4096).ok());
  EXPECT_TRUE(stream.value()->copy(out->data, device->data, 4096).ok());
  EXPECT_TRUE(stream.value()->copy(out->data, device->data, 0).ok());  // nothing to do
  EXPECT_TRUE(stream.value()->record(*event.value()).ok());
  EXPECT_EQ(static_cast<int>(out->data[4095]), 0);  // both copies are still to come
  fake_->let_go();
  EXPECT_TRUE(event.value()->synchronize().ok());
  EXPECT_EQ(static_cast<int>(out->data[4095]), 7);
  EXPECT_LT(fake_.find("done 4096 HtoD"), fake_.find("done 4096 DtoH"));
}

TEST_F(CudaTest, CopyAcrossMemoriesWaits) {
  const auto runtime = open();
  DevicePools pools(runtime, {});
  BufferLease device = pools.pool(0).value()->acquire(64);
  const std::uint64_t value = 42;
  std::uint64_t back = 0;
  EXPECT_TRUE(runtime->copy(0, device->data, &value, sizeof(value)).ok());
  EXPECT_TRUE(runtime->copy(0, &back, device->data, sizeof(back)).ok());
  EXPECT_EQ(back, 42U);
}

TEST_F(CudaTest, ErrorNamesDeviceCallAndCause) {
  const auto runtime = open();
  auto stream = CudaStream::create(runtime, 0);
  ASSERT_TRUE(stream.ok());
  fake_->fail("cudaMemcpyAsync", 1, 0);
  char bytes[8] = {};
  const Status status = stream.value()->copy(bytes, bytes + 4, 4);
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_EQ(status.message(), "GPU 0: cudaMemcpyAsync: invalid argument (1)");
  EXPECT_TRUE(runtime->lost(0).ok());  // the next call may be fine
}

TEST_F(CudaTest, LostDeviceIsRememberedWithItsFirstError) {
  fake_->set_device_count(2, 0);
  const auto runtime = open();
  auto event = CudaEvent::create(runtime, 1);
  ASSERT_TRUE(event.ok());
  fake_->fail("cudaEventSynchronize", 719, 0);
  const Status status = event.value()->synchronize();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(), "GPU 1: cudaEventSynchronize: unspecified launch failure (719)");
  fake_->fail("cudaEventSynchronize", 700, 0);
  EXPECT_FALSE(event.value()->synchronize().ok());
  EXPECT_EQ(runtime->lost(1).message(),
            "GPU 1 is lost to this server, which must be restarted: "
            "GPU 1: cudaEventSynchronize: unspecified launch failure (719)");
  EXPECT_TRUE(runtime->lost(0).ok());
}

TEST_F(CudaTest, RuntimeErrorIsReportedInItsOwnWords) {
  fake_->set_device_count(1, 100);
  const auto runtime = CudaRuntime::open({PENSTOCK_FAKE_CUDART});
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.status().code(), Code::kUnavailable);
  EXPECT_EQ(runtime.status().message(),
            PENSTOCK_FAKE_CUDART ": no CUDA-capable device is detected");
}

TEST_F(CudaTest, NoDeviceIsReported) {
  fake_->set_device_count(0, 0);
  const auto runtime = CudaRuntime::open({PENSTOCK_FAKE_CUDART});
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.status().message(), PENSTOCK_FAKE_CUDART ": no CUDA device");
}

TEST_F(CudaTest, FirstLibraryThatWorksIsTaken) {
  const auto runtime = CudaRuntime::open({"/nonexistent/libcudart.so", PENSTOCK_FAKE_CUDART});
  ASSERT_TRUE(runtime.ok()) << runtime.status().message();
  EXPECT_EQ(runtime.value()->device_count(), 1);
}

TEST(CudaOpenTest, MissingLibraryIsNamed) {
  const auto runtime = CudaRuntime::open({"/nonexistent/libcudart.so"});
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.status().code(), Code::kUnavailable);
  EXPECT_THAT(runtime.status().message(),
              HasSubstr("no CUDA runtime: /nonexistent/libcudart.so: cannot open"));
}

TEST(CudaOpenTest, LibraryWithoutTheFunctionsIsRefused) {
  const auto runtime = CudaRuntime::open({PENSTOCK_NOT_CUDART});
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.status().message(),
            PENSTOCK_NOT_CUDART ": not a CUDA runtime, it has no cudaFreeHost");
}

// Whatever the machine has: either it works or the reason names what was tried.
TEST(CudaOpenTest, UsualNamesWorkOrSayWhyNot) {
  const auto runtime = CudaRuntime::open();
  if (runtime.ok()) {
    EXPECT_GE(runtime.value()->device_count(), 1);
  } else {
    EXPECT_THAT(runtime.status().message(), HasSubstr("libcudart.so"));
  }
}

}  // namespace
}  // namespace penstock
