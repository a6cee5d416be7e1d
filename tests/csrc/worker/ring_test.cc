// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace penstock::worker {
namespace {

using Taken = RingConsumer::Taken;

class RingTest : public ::testing::Test {
 protected:
  std::unique_ptr<SharedRing> ring_ = std::make_unique<SharedRing>();
  RingProducer producer_{*ring_};
  RingConsumer consumer_{*ring_};
  Descriptor out_;
};

TEST_F(RingTest, GivesWhatWasPushedInOrder) {
  EXPECT_EQ(consumer_.take(out_), Taken::kNothing);
  for (std::uint64_t id = 0; id < 3 * kRingEntries; ++id) {
    ASSERT_TRUE(producer_.push({.kind = MessageKind::kBatch, .id = id}));
    ASSERT_EQ(consumer_.take(out_), Taken::kOne);
    EXPECT_EQ(out_.id, id);
  }
  EXPECT_EQ(consumer_.take(out_), Taken::kNothing);
}

TEST_F(RingTest, IsFullAtItsCapacity) {
  for (std::uint32_t i = 0; i < kRingEntries; ++i) ASSERT_TRUE(producer_.push({}));
  EXPECT_FALSE(producer_.push({}));
  EXPECT_EQ(producer_.untaken(), kRingEntries);
  EXPECT_EQ(consumer_.take(out_), Taken::kOne);
  EXPECT_TRUE(producer_.push({}));
}

TEST_F(RingTest, AnIndexThatCannotBeIsSeen) {
  ring_->tail.store(kRingEntries + 1);
  EXPECT_EQ(consumer_.take(out_), Taken::kBroken);
  ring_->tail.store(UINT32_MAX);
  EXPECT_EQ(consumer_.take(out_), Taken::kBroken);
  ring_->head.store(12345);  // the producer takes the ring for full, and writes nothing
  EXPECT_FALSE(producer_.push({}));
}

TEST_F(RingTest, AConsumerThatSleepsIsWoken) {
  constexpr std::uint64_t kCount = 20'000;
  std::thread consumer([&] {
    for (std::uint64_t next = 0; next < kCount;) {
      Descriptor taken;
      if (consumer_.take(taken) == Taken::kNothing) {
        consumer_.wait();
      } else {
        ASSERT_EQ(taken.id, next++);
      }
    }
  });
  for (std::uint64_t id = 0; id < kCount; ++id) {
    while (!producer_.push({.id = id})) std::this_thread::yield();
    if (id % 3 == 0 || id + 1 == kCount) producer_.wake();
    if (producer_.untaken() == kRingEntries) producer_.wake();
  }
  consumer.join();
}

TEST_F(RingTest, AWaitCanBeInterruptedOrTimesOut) {
  std::thread other([&] { consumer_.interrupt(); });
  consumer_.wait();  // ends, whoever comes first
  other.join();
  consumer_.wait(RealClock().now_ns() + 1'000'000);
}

}  // namespace
}  // namespace penstock::worker
