// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "penstock/buffer.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace penstock {
namespace {

constexpr std::size_t kKiB = 1024;

// What the pool does to its allocator, seen from the other side.
struct Ledger {
  std::atomic<std::uint64_t> allocations{0};
  std::atomic<std::int64_t> live_bytes{0};
  std::atomic<std::int64_t> peak_bytes{0};
  std::atomic<bool> out_of_memory{false};
};

class LedgerAllocator final : public Allocator {
 public:
  explicit LedgerAllocator(Ledger& ledger) : ledger_(ledger) {}
  void* allocate(std::size_t size_bytes) override {
    if (ledger_.out_of_memory.load()) return nullptr;
    void* memory = pages_->allocate(size_bytes);
    if (memory == nullptr) return nullptr;
    ++ledger_.allocations;
    const std::int64_t live = ledger_.live_bytes += static_cast<std::int64_t>(size_bytes);
    std::int64_t peak = ledger_.peak_bytes.load();
    while (peak < live && !ledger_.peak_bytes.compare_exchange_weak(peak, live)) {
    }
    return memory;
  }
  void deallocate(void* memory, std::size_t size_bytes) noexcept override {
    ledger_.live_bytes -= static_cast<std::int64_t>(size_bytes);
    pages_->deallocate(memory, size_bytes);
  }
  [[nodiscard]] MemoryKind kind() const override { return MemoryKind::kCpu; }

 private:
  Ledger& ledger_;
  std::unique_ptr<Allocator> pages_ = make_page_allocator();
};

class BufferPoolTest : public testing::Test {
 protected:
  std::unique_ptr<BufferPool> make_pool(BufferPoolOptions options = {}) {
    return std::make_unique<BufferPool>(std::make_unique<LedgerAllocator>(ledger_), options);
  }
  void TearDown() override { EXPECT_EQ(ledger_.live_bytes.load(), 0); }

  Ledger ledger_;
};

TEST_F(BufferPoolTest, LeasesAreAlignedPaddedAndLargeEnough) {
  const auto pool = make_pool();
  for (const std::size_t size :
       {0UL, 1UL, 1023UL, 1024UL, 1025UL, 100'000UL, 64UL << 20, (64UL << 20) + 1}) {
    const BufferLease lease = pool->acquire(size);
    ASSERT_TRUE(lease) << size;
    EXPECT_GE(lease->size_bytes, size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(lease->data) % 64, 0U) << size;
    EXPECT_EQ(lease->memory, MemoryKind::kCpu);
    lease->data[0] = std::byte{1};
    lease->data[lease->size_bytes + BufferPool::kPadding - 1] = std::byte{1};
  }
}

TEST_F(BufferPoolTest, ClassesArePowersOfTwo) {
  const auto pool = make_pool({.min_class_bytes = 1000, .max_class_bytes = 5000});
  EXPECT_EQ(pool->acquire(0)->size_bytes, 1024U);
  EXPECT_EQ(pool->acquire(1024)->size_bytes, 1024U);
  EXPECT_EQ(pool->acquire(1025)->size_bytes, 2048U);
  EXPECT_EQ(pool->acquire(8192)->size_bytes, 8192U);
  EXPECT_EQ(pool->acquire(8193)->size_bytes, 8193U);  // over the largest class: as asked
}

TEST_F(BufferPoolTest, OddOptionsAreMadeUsable) {
  for (const std::size_t min : {std::size_t{0}, std::size_t{1}, SIZE_MAX}) {
    const auto pool = make_pool({.min_class_bytes = min, .max_class_bytes = 0});
    if (min != SIZE_MAX) {
      EXPECT_EQ(pool->acquire(1)->size_bytes, 64U);
    }
    EXPECT_FALSE(pool->acquire(SIZE_MAX));
  }
}

TEST_F(BufferPoolTest, WarmAcquireDoesNotAskTheAllocator) {
  const auto pool = make_pool();
  pool->acquire(3000).reset();
  EXPECT_EQ(ledger_.allocations, 1U);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(pool->acquire(2049 + static_cast<std::size_t>(i)));
  EXPECT_EQ(ledger_.allocations, 1U);
  const BufferPoolStats stats = pool->stats();
  EXPECT_EQ(stats.acquired, 1001U);
  EXPECT_EQ(stats.system_allocs, 1U);
}

TEST_F(BufferPoolTest, StatisticsFollowEveryStep) {
  const auto pool = make_pool();
  BufferLease a = pool->acquire(1000);
  BufferLease b = pool->acquire(5000);
  EXPECT_EQ(pool->stats().in_use_bytes, kKiB + 8 * kKiB);
  EXPECT_EQ(pool->stats().cached_bytes, 0U);
  const BufferLease copy = b;
  b.reset();  // the copy still holds it
  EXPECT_EQ(pool->stats().in_use_bytes, kKiB + 8 * kKiB);
  a.reset();
  EXPECT_EQ(pool->stats().in_use_bytes, 8 * kKiB);
  EXPECT_EQ(pool->stats().cached_bytes, kKiB);
  EXPECT_EQ(pool->stats().acquired, 2U);
}

TEST_F(BufferPoolTest, SizesNearTheEndOfSizeTGiveAnEmptyLease) {
  const auto pool = make_pool();
  for (const std::size_t size : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 63, SIZE_MAX - 64, SIZE_MAX / 2,
                                 SIZE_MAX / 2 + 1, SIZE_MAX / 2 - 64}) {
    EXPECT_FALSE(pool->acquire(size)) << size;
  }
  EXPECT_EQ(pool->stats().acquired, 0U);
  EXPECT_EQ(pool->stats().in_use_bytes, 0U);
}

TEST_F(BufferPoolTest, OversizedBlocksGoStraightBack) {
  const auto pool = make_pool({.max_class_bytes = 4 * kKiB});
  BufferLease lease = pool->acquire(5000);
  EXPECT_EQ(pool->stats().in_use_bytes, 5000U);
  lease.reset();
  EXPECT_EQ(pool->stats().cached_bytes, 0U);
  EXPECT_EQ(ledger_.live_bytes, 0);
}

TEST_F(BufferPoolTest, OnlyMaxCachedBytesStayIdle) {
  const auto pool = make_pool({.max_cached_bytes = 10 * kKiB});
  std::vector<BufferLease> leases;
  for (int i = 0; i < 20; ++i) leases.push_back(pool->acquire(kKiB));
  leases.push_back(pool->acquire(16 * kKiB));
  EXPECT_EQ(pool->stats().in_use_bytes, 36 * kKiB);
  leases.clear();
  EXPECT_EQ(pool->stats().in_use_bytes, 0U);
  EXPECT_EQ(pool->stats().cached_bytes, 10 * kKiB);
  EXPECT_EQ(ledger_.live_bytes.load(), 10 * (1024 + 64));
  EXPECT_EQ(pool->stats().acquired, 21U);
}

TEST_F(BufferPoolTest, NothingStaysIdleWhenNothingMay) {
  const auto pool = make_pool({.max_cached_bytes = 0});
  pool->acquire(1).reset();
  EXPECT_EQ(pool->stats().cached_bytes, 0U);
  EXPECT_EQ(ledger_.live_bytes, 0);
  EXPECT_EQ(pool->stats().acquired, 1U);
}

TEST_F(BufferPoolTest, TotalBoundAnswersWithAnEmptyLease) {
  const auto pool = make_pool({.max_total_bytes = 4 * kKiB});
  std::vector<BufferLease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(pool->acquire(kKiB));
  for (const auto& lease : leases) EXPECT_TRUE(lease);
  EXPECT_FALSE(pool->acquire(1));
  EXPECT_FALSE(pool->acquire(SIZE_MAX / 4));
  leases.pop_back();
  EXPECT_TRUE(pool->acquire(1));
  EXPECT_EQ(ledger_.allocations, 4U);
  EXPECT_EQ(pool->stats().acquired, 5U);
}

TEST_F(BufferPoolTest, IdleBlocksOfOtherClassesMakeRoomUnderTheBound) {
  const auto pool = make_pool({.max_total_bytes = 16 * kKiB});
  {
    std::vector<BufferLease> leases;
    for (int i = 0; i < 16; ++i) leases.push_back(pool->acquire(kKiB));
  }
  EXPECT_EQ(pool->stats().cached_bytes, 16 * kKiB);
  const BufferLease large = pool->acquire(8 * kKiB);
  ASSERT_TRUE(large);
  EXPECT_EQ(pool->stats().in_use_bytes, 8 * kKiB);
  EXPECT_EQ(pool->stats().cached_bytes, 8 * kKiB);
  EXPECT_EQ(pool->stats().acquired, 17U);
}

TEST_F(BufferPoolTest, SizeThatCanNeverBeHadDoesNotEmptyTheCache) {
  const auto pool = make_pool({.max_total_bytes = 16 * kKiB});
  const BufferLease held = pool->acquire(8 * kKiB);
  pool->acquire(4 * kKiB).reset();
  EXPECT_FALSE(pool->acquire(16 * kKiB));
  EXPECT_FALSE(pool->acquire(SIZE_MAX / 2 - 64));
  EXPECT_EQ(pool->stats().cached_bytes, 4 * kKiB);
}

TEST_F(BufferPoolTest, AllocatorFailureGivesAnEmptyLeaseAndIsNotCounted) {
  const auto pool = make_pool();
  pool->acquire(kKiB).reset();
  ledger_.out_of_memory = true;
  EXPECT_FALSE(pool->acquire(8 * kKiB));
  EXPECT_FALSE(pool->acquire(SIZE_MAX / 8));
  EXPECT_EQ(pool->stats().cached_bytes, kKiB);
  EXPECT_TRUE(pool->acquire(kKiB));  // from the cache
  EXPECT_EQ(pool->stats().acquired, 2U);
  EXPECT_EQ(pool->stats().system_allocs, 1U);
  ledger_.out_of_memory = false;
  EXPECT_TRUE(pool->acquire(8 * kKiB));
}

TEST_F(BufferPoolTest, MoveAndSelfAssignmentKeepTheCount) {
  const auto pool = make_pool();
  BufferLease a = pool->acquire(1);
  BufferLease b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT: moved from on purpose
  const BufferLease& alias = b;
  b = alias;
  EXPECT_TRUE(b);
  EXPECT_EQ(b->refs.count(), 1U);
  a = b;
  EXPECT_EQ(b->refs.count(), 2U);
}

TEST_F(BufferPoolTest, LeasesDroppedOnAnotherThreadComeBack) {
  const auto pool = make_pool();
  std::vector<BufferLease> leases;
  for (int i = 0; i < 100; ++i) leases.push_back(pool->acquire(kKiB));
  std::thread([taken = std::move(leases)]() mutable { taken.clear(); }).join();
  EXPECT_EQ(pool->stats().in_use_bytes, 0U);
  EXPECT_EQ(pool->stats().cached_bytes, 100 * kKiB);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_F(BufferPoolTest, AddressSanitizerSeesUseAfterRelease) {
  const auto pool = make_pool();
  BufferLease lease = pool->acquire(kKiB);
  std::byte* data = lease->data;
  EXPECT_FALSE(__asan_address_is_poisoned(data));
  lease.reset();
  EXPECT_TRUE(__asan_address_is_poisoned(data));
  EXPECT_TRUE(__asan_address_is_poisoned(data + kKiB - 1));
  lease = pool->acquire(kKiB);
  EXPECT_EQ(lease->data, data);
  EXPECT_FALSE(__asan_address_is_poisoned(data));
}
#endif

// Threads lease, stamp, share and drop blocks. A block that two leases own at once shows a foreign
// stamp; TSan sees a block handed on without order.
void hammer(BufferPool& pool, std::uint64_t seed, int rounds, std::atomic<int>& refused,
            std::atomic<int>& clashes) {
  std::minstd_rand random(static_cast<unsigned>(seed));
  struct Held {
    BufferLease lease, copy;
    std::uint64_t stamp = 0;
  };
  std::vector<Held> held(8);
  for (int i = 0; i < rounds; ++i) {
    Held& slot = held[random() % held.size()];
    if (slot.lease) {
      std::uint64_t stamp = 0;
      std::memcpy(&stamp, slot.lease->data, sizeof stamp);
      if (stamp != slot.stamp) ++clashes;
      slot = Held{};
    } else if ((slot.lease = pool.acquire(std::size_t{1} << (random() % 15)))) {
      slot.stamp = seed << 32 | static_cast<std::uint32_t>(i);
      std::memcpy(slot.lease->data, &slot.stamp, sizeof slot.stamp);
      if (i % 3 == 0) slot.copy = slot.lease;
    } else {
      ++refused;
    }
  }
}

TEST_F(BufferPoolTest, ThreadsShareThePoolWithinItsBounds) {
  const BufferPoolOptions options{.max_class_bytes = 8 * kKiB,  // larger ones go straight
                                  .max_cached_bytes = 40 * kKiB,
                                  .max_total_bytes = 160 * kKiB};
  const auto pool = make_pool(options);
  std::atomic<int> refused{0};
  std::atomic<int> clashes{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] { hammer(*pool, t, 40'000, refused, clashes); });
  }
  for (auto& thread : threads) thread.join();
  const BufferPoolStats stats = pool->stats();
  EXPECT_EQ(clashes.load(), 0);
  EXPECT_EQ(stats.in_use_bytes, 0U);
  EXPECT_LE(stats.cached_bytes, options.max_cached_bytes);
  EXPECT_EQ(stats.system_allocs, ledger_.allocations.load());
  // Padding is not counted: at most one for each block of the smallest class.
  const auto blocks = options.max_total_bytes / 1024;
  EXPECT_LE(ledger_.peak_bytes.load(),
            static_cast<std::int64_t>(options.max_total_bytes + blocks * BufferPool::kPadding));
}

// Each thread holds one block at most: however they are stopped, no more blocks than threads are
// ever needed.
TEST_F(BufferPoolTest, RacingThreadsDoNotAskTheAllocatorOnceWarm) {
  const auto pool = make_pool();
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kRounds = 50'000;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kRounds; ++i) pool->acquire(2 * kKiB).reset();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(pool->stats().acquired, kThreads * kRounds);
  EXPECT_LE(pool->stats().system_allocs, kThreads);
  EXPECT_EQ(pool->stats().in_use_bytes, 0U);
}

// Leases of one thread, dropped by another, as a frontend and an instance do.
TEST_F(BufferPoolTest, ThreadsDropWhatOthersLeased) {
  const auto pool = make_pool();
  constexpr std::size_t kBurst = 50;
  constexpr std::uint64_t kBursts = 100;
  const auto lease_bursts = [&] {
    for (std::uint64_t i = 0; i < kBursts; ++i) {
      std::vector<BufferLease> burst;
      for (std::size_t j = 0; j < kBurst; ++j) burst.push_back(pool->acquire(2 * kKiB));
      std::thread([taken = std::move(burst)]() mutable { taken.clear(); }).join();
    }
  };
  std::thread other(lease_bursts);
  lease_bursts();
  other.join();
  EXPECT_EQ(pool->stats().acquired, 2 * kBursts * kBurst);
  EXPECT_LE(pool->stats().system_allocs, 2 * kBurst);
  EXPECT_EQ(pool->stats().in_use_bytes, 0U);
}

}  // namespace
}  // namespace penstock
