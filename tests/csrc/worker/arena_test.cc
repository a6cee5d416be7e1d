// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <vector>

#include "worker/arena_allocator.h"
#include "worker/channel.h"

namespace penstock::worker {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::shared_ptr<SharedMemory> memory_of(std::size_t arena_bytes) {
  auto memory = SharedMemory::create(arena_bytes);
  EXPECT_TRUE(memory.ok()) << memory.status().message();
  return memory.value();
}

TEST(SharedMemory, CannotBeResizedByAnyone) {
  const auto memory = memory_of(kMiB);
  EXPECT_NE(ftruncate(memory->fd(), 4096), 0);
  EXPECT_NE(ftruncate(memory->fd(), 1 << 30), 0);
  EXPECT_EQ(fcntl(memory->fd(), F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

TEST(SharedMemory, BothEndsSeeTheSameBytes) {
  const auto memory = memory_of(kMiB);
  auto other = SharedMemory::attach(dup(memory->fd()));
  ASSERT_TRUE(other.ok());
  std::memcpy(memory->arena(true), "answer", 7);
  EXPECT_STREQ(reinterpret_cast<const char*>(other.value()->arena(true)), "answer");
  EXPECT_EQ(other.value()->arena_bytes(), kMiB);
}

TEST(SharedMemory, AnotherLayoutIsRefused) {
  const auto memory = memory_of(kMiB);
  memory->control().version = 7;
  EXPECT_FALSE(SharedMemory::attach(dup(memory->fd())).ok());
  EXPECT_FALSE(SharedMemory::create(0).ok());
  EXPECT_FALSE(SharedMemory::create(SIZE_MAX).ok());
}

TEST(ArenaAllocator, GrowsByStepsUpToItsBoundAndShrinks) {
  ArenaAllocator arena(memory_of(8 * kMiB), true, {kMiB, 2 * kMiB});
  EXPECT_EQ(arena.committed_bytes(), 2 * kMiB);
  std::vector<void*> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(arena.allocate(kMiB));
  EXPECT_EQ(arena.committed_bytes(), 8 * kMiB);
  EXPECT_EQ(arena.allocate(64), nullptr);
  for (void* block : blocks) {
    ASSERT_NE(block, nullptr);
    std::memset(block, 1, kMiB);
    arena.deallocate(block, kMiB);
  }
  EXPECT_EQ(arena.committed_bytes(), 2 * kMiB);
  EXPECT_NE(arena.allocate(8 * kMiB), nullptr);  // in one piece again
}

TEST(ArenaAllocator, PiecesNeverOverlap) {
  ArenaAllocator arena(memory_of(4 * kMiB), false, {kMiB, kMiB});
  std::mt19937 random(7);
  struct Piece {
    std::byte* at;
    std::size_t size;
    std::byte mark;
  };
  std::vector<Piece> pieces;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0 || pieces.empty()) {
      const std::size_t size = 1 + random() % 50'000;
      auto* at = static_cast<std::byte*>(arena.allocate(size));
      if (at == nullptr) continue;
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0u);
      const auto mark = static_cast<std::byte>(step);
      std::memset(at, static_cast<int>(mark), size);
      pieces.push_back({at, size, mark});
    } else {
      std::swap(pieces[random() % pieces.size()], pieces.back());
      const Piece piece = pieces.back();
      pieces.pop_back();
      ASSERT_EQ(piece.at[0], piece.mark);
      ASSERT_EQ(piece.at[piece.size - 1], piece.mark);
      arena.deallocate(piece.at, piece.size);
    }
  }
}

class ChannelTest : public ::testing::Test {
 protected:
  std::shared_ptr<SharedMemory> memory_ = memory_of(4 * kMiB);
  BufferPool out_{std::make_unique<ArenaAllocator>(memory_, false, ArenaOptions{}), {}};
  BufferPool back_{std::make_unique<ArenaAllocator>(memory_, true, ArenaOptions{}), {}};
  Channel server_{memory_, Side::kServer, out_};
  Channel worker_{memory_, Side::kWorker, back_};
  Message message_;
};

TEST_F(ChannelTest, AMessageComesAndItsBlockGoesBack) {
  for (std::uint32_t i = 0; i < 2 * kLeaseSlots; ++i) {
    BufferLease block = server_.acquire(100);
    std::memcpy(block->data, &i, sizeof i);
    ASSERT_TRUE(server_.post(MessageKind::kBatch, i, std::move(block), sizeof i));
    ASSERT_EQ(worker_.take(message_), Channel::Taken::kOne);
    std::uint32_t got = 0;
    std::memcpy(&got, message_.bytes.data(), sizeof got);
    EXPECT_EQ(got, i);
    message_.block.reset();
  }
  server_.collect();
  EXPECT_EQ(out_.stats().in_use_bytes, 0u);
}

TEST_F(ChannelTest, TooManyLeasesAreRefusedUntilSomeComeBack) {
  std::vector<BufferLease> held;
  const BufferLease block = server_.acquire(64);
  for (std::uint32_t i = 0; i < kLeaseSlots; ++i) {
    const std::uint32_t slot = server_.lend(block);
    ASSERT_NE(slot, kNoSlot);
    held.push_back(worker_.borrow(slot, worker_.peer_bytes(0, 64), 64));
  }
  EXPECT_EQ(server_.lend(block), kNoSlot);
  held.resize(held.size() - 3);
  for (int i = 0; i < 3; ++i) EXPECT_NE(server_.lend(block), kNoSlot);
  EXPECT_EQ(server_.lend(block), kNoSlot);
}

TEST_F(ChannelTest, WhatAPeerSaysIsChecked) {
  const std::size_t room = memory_->arena_bytes();
  EXPECT_NE(server_.peer_bytes(room, 0), nullptr);
  EXPECT_EQ(server_.peer_bytes(room, 1), nullptr);
  EXPECT_EQ(server_.peer_bytes(UINT64_MAX, 2), nullptr);
  EXPECT_EQ(server_.peer_bytes(1, UINT64_MAX), nullptr);
  EXPECT_FALSE(server_.borrow(kLeaseSlots, nullptr, 0));
  for (auto& word : memory_->control().to_worker.returned) word.store(UINT64_MAX);
  const std::uint32_t slot = server_.lend(server_.acquire(64));
  EXPECT_NE(slot, kNoSlot);
  server_.collect();  // slots that were never lent are no concern
  server_.collect();
}

TEST_F(ChannelTest, RandomDescriptorsDoNoHarm) {
  std::mt19937_64 random(11);
  SharedRing& ring = memory_->control().to_server.ring;
  for (int i = 0; i < 200'000; ++i) {
    Descriptor descriptor{static_cast<MessageKind>(random() % 12),
                          static_cast<std::uint32_t>(random() % (2 * kLeaseSlots)), random(),
                          random() >> (random() % 64), random() >> (random() % 64)};
    ring.entries[static_cast<std::size_t>(i) % kRingEntries] = descriptor;
    ring.tail.store(static_cast<std::uint32_t>(i) + 1);
    const auto taken = server_.take(message_);
    ASSERT_NE(taken, Channel::Taken::kNothing);
  }
}

}  // namespace
}  // namespace penstock::worker
