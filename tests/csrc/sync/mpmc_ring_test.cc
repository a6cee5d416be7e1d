// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sync/mpmc_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace penstock {
namespace {

using Ring = MpmcRing<std::uint64_t>;

TEST(MpmcRingTest, CapacityIsTheNextPowerOfTwoAndTwoAtLeast) {
  const std::vector<std::pair<std::size_t, std::size_t>> cases{{0, 2}, {1, 2},   {2, 2},
                                                               {3, 4}, {64, 64}, {65, 128}};
  for (const auto& [asked, got] : cases) EXPECT_EQ(Ring(asked).capacity(), got) << asked;
}

TEST(MpmcRingTest, CapacityThatNoMemoryHoldsIsRefused) {
  EXPECT_THROW(Ring{SIZE_MAX}, std::length_error);
  EXPECT_THROW(Ring{SIZE_MAX / 2 + 2}, std::length_error);
}

TEST(MpmcRingTest, FirstInFirstOutUntilFullAndUntilEmpty) {
  Ring ring(4);
  std::uint64_t value = 77;
  EXPECT_FALSE(ring.try_pop(value));
  EXPECT_EQ(value, 77U);  // untouched
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(ring.approx_size(), i);
    EXPECT_TRUE(ring.try_push(i));
  }
  EXPECT_FALSE(ring.try_push(99));
  EXPECT_EQ(ring.approx_size(), 4U);
  for (std::uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(ring.try_pop(value));
    EXPECT_EQ(value, i);
  }
  EXPECT_FALSE(ring.try_pop(value));
  EXPECT_EQ(ring.approx_size(), 0U);
}

TEST(MpmcRingTest, GoesRoundManyTimesAtEveryFill) {
  for (std::uint64_t fill = 1; fill <= 4; ++fill) {
    Ring ring(4);
    std::uint64_t next_in = 0;
    std::uint64_t next_out = 0;
    for (std::uint64_t lap = 0; lap < 1000; ++lap) {
      for (std::uint64_t i = 0; i < fill; ++i) ASSERT_TRUE(ring.try_push(next_in++));
      for (std::uint64_t i = 0; i < fill; ++i) {
        std::uint64_t value = 0;
        ASSERT_TRUE(ring.try_pop(value));
        ASSERT_EQ(value, next_out++);
      }
    }
    EXPECT_EQ(ring.approx_size(), 0U);
  }
}

// Every value arrives exactly once, and each consumer sees each producer's values in order.
void check_exchange(std::size_t capacity, std::uint64_t producers, std::uint64_t consumers,
                    std::uint64_t per_producer) {
  Ring ring(capacity);
  std::atomic<std::uint64_t> left{producers * per_producer};
  std::vector<std::atomic<std::uint32_t>> seen(producers * per_producer);
  std::atomic<std::uint64_t> out_of_order{0};
  std::vector<std::thread> threads;
  for (std::uint64_t p = 0; p < producers; ++p) {
    threads.emplace_back([&, p] {
      for (std::uint64_t i = 0; i < per_producer; ++i) {
        while (!ring.try_push(p * per_producer + i)) std::this_thread::yield();
      }
    });
  }
  for (std::uint64_t c = 0; c < consumers; ++c) {
    threads.emplace_back([&] {
      std::vector<std::int64_t> last(producers, -1);
      std::uint64_t value = 0;
      while (left.load() != 0) {
        if (!ring.try_pop(value)) {
          std::this_thread::yield();
          continue;
        }
        const auto sequence = static_cast<std::int64_t>(value % per_producer);
        if (sequence <= last[value / per_producer]) ++out_of_order;
        last[value / per_producer] = sequence;
        ++seen[value];
        --left;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(out_of_order.load(), 0U);
  for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i].load(), 1U) << i;
  EXPECT_EQ(ring.approx_size(), 0U);
}

TEST(MpmcRingTest, EveryValueArrivesOnceSmallestRing) { check_exchange(2, 3, 3, 8000); }
TEST(MpmcRingTest, EveryValueArrivesOnceMostlyFull) { check_exchange(8, 4, 1, 8000); }
TEST(MpmcRingTest, EveryValueArrivesOnceMostlyEmpty) { check_exchange(1024, 1, 4, 30000); }

// Values wider than a word must not be torn.
struct Wide {
  std::uint64_t a = 0, b = 0, c = 0;
};

TEST(MpmcRingWideTest, ValuesAreNotTorn) {
  MpmcRing<Wide> ring(4);
  constexpr std::uint64_t kCount = 20000;
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> torn{0};
  std::atomic<std::uint64_t> left{2 * kCount};
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (std::uint64_t n = 1; n <= kCount; ++n) {
        while (!ring.try_push({n, n * 3, n * 7})) std::this_thread::yield();
      }
    });
    threads.emplace_back([&] {
      Wide wide;
      while (left.load() != 0) {
        if (!ring.try_pop(wide)) {
          std::this_thread::yield();
        } else {
          if (wide.b != wide.a * 3 || wide.c != wide.a * 7) ++torn;
          --left;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(torn.load(), 0U);
}

TEST(MpmcRingSizeTest, ApproxSizeStaysInBoundsWhileThreadsRace) {
  MpmcRing<std::uint32_t> ring(8);
  std::atomic<bool> stop{false};
  std::atomic<int> pops{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      std::uint32_t value = 0;
      while (!stop.load()) {
        (void)ring.try_push(1);
        if (ring.try_pop(value)) ++pops;
      }
    });
  }
  std::size_t worst = 0;
  while (pops.load() < 200'000) worst = std::max(worst, ring.approx_size());
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_LE(worst, ring.capacity());
}

}  // namespace
}  // namespace penstock
