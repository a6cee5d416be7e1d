// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Contract 1.9: regions by name, windows into them, and memory of GPUs by its handle.
#include "penstock/shared_regions.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

#include "fake_cudart.h"

namespace penstock {
namespace {

class SharedRegionsTest : public testing::Test {
 protected:
  SharedRegionsTest() : cuda_(CudaRuntime::open({PENSTOCK_FAKE_CUDART}).value()) {}

  // Of a region of `size_bytes` that another process has, full of 5.
  std::string handle(std::size_t size_bytes) {
    std::string bytes(64, '\0');
    fake_->foreign_handle(bytes.data(), size_bytes, 5);
    return bytes;
  }
  Status register_cuda(const std::string& name, std::uint64_t size_bytes, std::size_t real_bytes) {
    auto memory = open_cuda_region(cuda_, name, handle(real_bytes), 0, size_bytes);
    if (!memory.ok()) return memory.take_status();
    RegionInfo info;
    info.kind = RegionKind::kCuda;
    info.name = name;
    info.size_bytes = size_bytes;
    return regions_.add(std::move(info), std::move(memory.value()));
  }

  FakeCudart fake_{PENSTOCK_FAKE_CUDART};
  std::shared_ptr<CudaRuntime> cuda_;
  SharedRegions regions_{cuda_};
};

TEST_F(SharedRegionsTest, CudaMemoryIsReadAndWrittenThroughWindows) {
  ASSERT_TRUE(register_cuda("in", 4096, 4096).ok());
  auto window = regions_.window("in", 8, 4);
  ASSERT_TRUE(window.ok()) << window.status().message();
  std::array<std::byte, 4> bytes{};
  ASSERT_TRUE(regions_.read(window.value(), bytes.data()).ok());
  EXPECT_EQ(static_cast<int>(bytes[3]), 5);
  bytes.fill(std::byte{9});
  ASSERT_TRUE(regions_.write(window.value(), bytes.data(), bytes.size()).ok());
  const auto* view = static_cast<const char*>(fake_->view(window.value().lease->data));
  EXPECT_EQ(std::string(view + 7, 6), "\x05\x09\x09\x09\x09\x05");
}

TEST_F(SharedRegionsTest, WindowsStayInside) {  // SHM-6
  ASSERT_TRUE(register_cuda("r", 100, 4096).ok());
  EXPECT_TRUE(regions_.window("r", 0, 100).ok());
  EXPECT_TRUE(regions_.window("r", 99, 1).ok());
  EXPECT_TRUE(regions_.window("r", 99, 0).ok());
  const auto message = [&](const char* name, std::uint64_t offset, std::uint64_t size) {
    return regions_.window(name, offset, size).status().message();
  };
  EXPECT_EQ(message("r", 100, 0), "Invalid offset for shared memory region: 'r'");
  EXPECT_EQ(message("r", UINT64_MAX, 1), "Invalid offset for shared memory region: 'r'");
  EXPECT_EQ(message("r", 99, 2), "Invalid offset + byte size for shared memory region: 'r'");
  EXPECT_EQ(message("r", 1, UINT64_MAX),
            "Integer overflow detected: byte_size (18446744073709551615) + offset (1) exceeds "
            "maximum value (18446744073709551615) for region 'r'");
  EXPECT_EQ(message("s", 0, 1), "Unable to find shared memory region: 's'");
  EXPECT_EQ(regions_.window("s", 0, 1).status().code(), Code::kNotFound);
}

TEST_F(SharedRegionsTest, NamesAreSharedByTheKinds) {  // SHM-2, SHM-4, SHM-5
  ASSERT_TRUE(register_cuda("r", 64, 64).ok());
  EXPECT_EQ(register_cuda("r", 64, 64).code(), Code::kAlreadyExists);
  EXPECT_EQ(register_cuda("r", 64, 64).message(), "shared memory region 'r' already in manager");
  EXPECT_EQ(regions_.list(RegionKind::kCuda, "r").value().size(), 1U);
  EXPECT_EQ(regions_.list(RegionKind::kCuda, "").value().size(), 1U);
  EXPECT_TRUE(regions_.list(RegionKind::kSystem, "").value().empty());
  const auto other = regions_.list(RegionKind::kSystem, "r");
  EXPECT_EQ(other.status().message(),
            "The region named 'r' is registered as CUDA shared memory, not system shared memory");
  EXPECT_EQ(other.status().code(), Code::kNotFound);
  EXPECT_EQ(regions_.list(RegionKind::kCuda, "s").status().message(),
            "Unable to find cuda shared memory region: 's'");
  EXPECT_EQ(regions_.list(RegionKind::kSystem, "s").status().message(),
            "Unable to find system shared memory region: 's'");
  EXPECT_EQ(regions_.remove(RegionKind::kSystem, "r").code(), Code::kNotFound);
  regions_.remove_all(RegionKind::kSystem);
  EXPECT_TRUE(regions_.window("r", 0, 1).ok());
  EXPECT_TRUE(regions_.remove(RegionKind::kCuda, "s").ok());  // nobody has it: fine
  EXPECT_TRUE(regions_.remove(RegionKind::kCuda, "r").ok());
  EXPECT_FALSE(regions_.window("r", 0, 1).ok());
}

TEST_F(SharedRegionsTest, RegionInUseStaysUntilItsLastWindow) {  // SHM-5
  ASSERT_TRUE(register_cuda("r", 64, 64).ok());
  {
    const auto window = regions_.window("r", 0, 64);
    regions_.remove_all(RegionKind::kCuda);
    EXPECT_TRUE(regions_.list(RegionKind::kCuda, "").value().empty());
    EXPECT_EQ(fake_.find("cudaIpcCloseMemHandle"), std::string::npos);
    std::array<std::byte, 64> bytes{};
    EXPECT_TRUE(regions_.read(window.value(), bytes.data()).ok());
  }
  EXPECT_NE(fake_.find("cudaIpcCloseMemHandle"), std::string::npos);
  EXPECT_EQ(fake_->live(), 0U);
}

TEST_F(SharedRegionsTest, WhatCannotBeOpenedIsRefused) {  // SHM-3
  const std::string good = handle(64);
  const auto message = [&](const std::string& handle, std::int64_t device, std::uint64_t size) {
    const auto opened = open_cuda_region(cuda_, "r", handle, device, size);
    EXPECT_EQ(opened.status().code(), Code::kInvalidArg);
    return opened.status().message();
  };
  const std::string invalid = "failed to register shared memory region: invalid args";
  EXPECT_EQ(message(good.substr(1), 0, 64), invalid);
  EXPECT_EQ(message(good, 1, 64), invalid);
  EXPECT_EQ(message(good, -1, 64), invalid);
  EXPECT_EQ(message(good, INT64_MAX, 64), invalid);
  EXPECT_EQ(message(good, 0, 0), invalid);
  // More than there is: a read past the end would cost the device.
  EXPECT_EQ(message(good, 0, 65), "failed to register shared memory region 'r': invalid args");
  EXPECT_EQ(message(std::string(64, 'x'), 0, 64),
            "failed to register CUDA shared memory region 'r': GPU 0: cudaIpcOpenMemHandle: "
            "invalid argument (1)");
  EXPECT_EQ(fake_->live(), 0U);
}

TEST_F(SharedRegionsTest, LostDeviceIsSaid) {
  fake_->fail("cudaIpcOpenMemHandle", 719, 0);
  const auto opened = open_cuda_region(cuda_, "r", handle(64), 0, 64);
  EXPECT_EQ(opened.status().code(), Code::kUnavailable);
  fake_->heal();
  EXPECT_EQ(open_cuda_region(cuda_, "r", handle(64), 0, 64).status().code(), Code::kUnavailable);
}

TEST_F(SharedRegionsTest, WithoutAGpuItIsRefusedByName) {  // SHM-3
  const auto opened = open_cuda_region(nullptr, "r", std::string(64, 'x'), 0, 64);
  EXPECT_EQ(opened.status().code(), Code::kInvalidArg);
  EXPECT_EQ(opened.status().message(),
            "failed to register CUDA shared memory region: 'r', GPUs not supported");
}

}  // namespace
}  // namespace penstock
