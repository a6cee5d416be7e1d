// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// SHM-2, SHM-6: POSIX shared memory objects of clients, who may shorten them at any time.
#include "memory/system_region.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "memory/bus_guard.h"
#include "penstock/shared_regions.h"
#include "shm_object.h"

namespace penstock {
namespace {

using testing::ShmObject;

const std::size_t kPage = static_cast<std::size_t>(::getpagesize());

class SystemRegionTest : public ::testing::Test {
 protected:
  Status add(const char* name, const std::string& key, std::uint64_t offset,
             std::uint64_t size_bytes) {
    auto memory = open_system_region(name, key, offset, size_bytes);
    if (!memory.ok()) return memory.take_status();
    RegionInfo info;
    info.name = name;
    info.key = key;
    info.offset = offset;
    info.size_bytes = size_bytes;
    return regions_.add(std::move(info), std::move(memory.value()));
  }

  ShmObject object_{3 * kPage};
  SharedRegions regions_{nullptr};
};

TEST_F(SystemRegionTest, IsTheClientsMemory) {
  ASSERT_TRUE(add("r", object_.key(), kPage, kPage).ok());
  object_.values<char>()[kPage + 5] = 'x';
  const auto window = regions_.window("r", 5, 2);
  ASSERT_TRUE(window.ok());
  std::array<std::byte, 2> bytes{};
  ASSERT_TRUE(regions_.read(window.value(), bytes.data()).ok());
  EXPECT_EQ(static_cast<char>(bytes[0]), 'x');
  bytes.fill(std::byte{'y'});
  ASSERT_TRUE(regions_.write(window.value(), bytes.data(), bytes.size()).ok());
  EXPECT_EQ(object_.values<char>()[kPage + 6], 'y');
}

TEST_F(SystemRegionTest, WhatCannotBeOpenedIsRefused) {
  const auto refused = [&](const std::string& key, std::uint64_t offset, std::uint64_t size_bytes) {
    const Status status = add("r", key, offset, size_bytes);
    EXPECT_EQ(status.code(), Code::kInvalidArg);
    return status.message();
  };
  const std::string& key = object_.key();
  const std::string invalid = "failed to register shared memory region 'r': invalid args";
  EXPECT_EQ(refused(key, 0, 0), invalid);
  EXPECT_EQ(refused(key, 0, 3 * kPage + 1), invalid);
  EXPECT_EQ(refused(key, 3 * kPage, 1), invalid);
  EXPECT_EQ(refused(key, kPage, UINT64_MAX), invalid);
  EXPECT_EQ(refused(key, UINT64_MAX - kPage + 1, kPage), invalid);
  EXPECT_EQ(refused(key, 1, 4),
            "failed to register shared memory region 'r': unable to process address space: offset "
            "1 is no multiple of the page size, " +
                std::to_string(kPage));
  EXPECT_EQ(refused("//", 0, 4), "cannot register shared memory region 'r' - invalid shm key '//'");
  EXPECT_EQ(refused("", 0, 4), "cannot register shared memory region 'r' - invalid shm key ''");
  EXPECT_EQ(refused("/triton_python_backend_shm_region_1", 0, 4),
            "cannot register shared memory region 'r' with key "
            "'/triton_python_backend_shm_region_1' as the key contains the reserved prefix "
            "'triton_python_backend_shm_region_'");
  for (const char* other : {"/no-such-object", "..", "/a/b", "/../etc/passwd"}) {
    EXPECT_EQ(add("r", other, 0, 4).message(),
              "Unable to open shared memory region: '" + std::string(other) + "'");
  }
}

TEST_F(SystemRegionTest, LengthIsLookedAtWithEveryUse) {
  ASSERT_TRUE(add("r", object_.key(), 0, 2 * kPage).ok());
  object_.resize(kPage);
  const auto window = regions_.window("r", 0, 4);
  EXPECT_EQ(window.status().code(), Code::kInvalidArg);
  EXPECT_EQ(window.status().message(),
            "shared memory region 'r' is shorter than it was when it was registered. Unregister "
            "it.");
  object_.resize(3 * kPage);
  EXPECT_TRUE(regions_.window("r", 0, 4).ok());  // nobody has touched what was away
}

TEST_F(SystemRegionTest, ShortenedWhileItIsUsedReadsZeros) {
  ASSERT_TRUE(add("r", object_.key(), 0, 3 * kPage).ok());
  std::memset(object_.values<char>(), 7, 3 * kPage);
  const auto window = regions_.window("r", 0, 3 * kPage);
  ASSERT_TRUE(window.ok());
  object_.resize(kPage);
  std::vector<std::byte> bytes(3 * kPage);
  ASSERT_TRUE(regions_.read(window.value(), bytes.data()).ok());
  EXPECT_EQ(static_cast<int>(bytes[kPage - 1]), 7);
  EXPECT_EQ(static_cast<int>(bytes[kPage]), 0);
  EXPECT_EQ(static_cast<int>(bytes[3 * kPage - 1]), 0);
  ASSERT_TRUE(regions_.write(window.value(), bytes.data(), bytes.size()).ok());
  object_.resize(3 * kPage);
  EXPECT_FALSE(regions_.window("r", 0, 4).ok());  // the mapping is the client's no more
}

TEST_F(SystemRegionTest, ManyThreadsMeetTheSameEnd) {
  ASSERT_TRUE(add("r", object_.key(), 0, 3 * kPage).ok());
  const auto window = regions_.window("r", 0, 3 * kPage);
  object_.resize(0);
  std::vector<std::thread> readers;
  std::atomic<int> sum{0};
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      std::vector<std::byte> bytes(3 * kPage);
      if (regions_.read(window.value(), bytes.data()).ok()) sum += static_cast<int>(bytes[kPage]);
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(sum, 0);
}

TEST_F(SystemRegionTest, AreBounded) {
  for (std::size_t i = 0; i < SharedRegions::kMost; ++i) {
    ASSERT_TRUE(add(("r" + std::to_string(i)).c_str(), object_.key(), 0, 1).ok());
  }
  const Status more = add("more", object_.key(), 0, 1);
  EXPECT_EQ(more.code(), Code::kUnavailable);
  EXPECT_EQ(more.message(),
            "failed to register shared memory region 'more': there are 1024 already. Unregister "
            "some first.");
  EXPECT_TRUE(regions_.remove(RegionKind::kSystem, "r7").ok());
  EXPECT_TRUE(add("more", object_.key(), 0, 1).ok());
}

void on_other(int) { std::_Exit(42); }

TEST(BusGuardDeathTest, OthersGetTheirSignals) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, on_other);
        const BusGuard guard(nullptr, 0);
        ::raise(SIGBUS);
      },
      ::testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace penstock
