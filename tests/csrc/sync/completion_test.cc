// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/completion.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <semaphore>
#include <system_error>
#include <thread>
#include <vector>

namespace penstock {
namespace {

struct Numbered : CompletionNode {
  int producer = 0;
  int number = 0;
};

class CountingWaker final : public Waker {
 public:
  void wake() noexcept override { ++count; }
  std::atomic<int> count{0};
};

bool readable(int fd, int timeout_ms) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, timeout_ms) == 1 && (entry.revents & POLLIN) != 0;
}

std::vector<int> numbers(const CompletionNode* node) {
  std::vector<int> result;
  for (; node != nullptr; node = node->next) {
    result.push_back(static_cast<const Numbered*>(node)->number);
  }
  return result;
}

// nodes[from..to) linked in order and pushed as one chain.
void push_range(CompletionRing& ring, std::vector<Numbered>& nodes, std::size_t from,
                std::size_t to) {
  for (std::size_t i = from; i + 1 < to; ++i) nodes[i].next = &nodes[i + 1];
  ring.push_chain(&nodes[from], &nodes[to - 1]);
}

std::vector<Numbered> numbered(int count) {
  std::vector<Numbered> nodes(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) nodes[static_cast<std::size_t>(i)].number = i;
  return nodes;
}

TEST(WakeFdTest, BecomesReadableOnceWhateverTheNumberOfWakes) {
  WakeFd wake_fd;
  EXPECT_FALSE(readable(wake_fd.fd(), 0));
  for (int i = 0; i < 3; ++i) wake_fd.wake();
  EXPECT_TRUE(readable(wake_fd.fd(), 0));
  wake_fd.drain();
  EXPECT_FALSE(readable(wake_fd.fd(), 0));
  wake_fd.drain();  // nothing there: does not block
  wake_fd.wake();
  EXPECT_TRUE(readable(wake_fd.fd(), 0));
}

TEST(WakeFdTest, DoesNotBlockWhenTheCounterIsFull) {
  WakeFd wake_fd;
  const std::uint64_t almost_full = UINT64_MAX - 1;
  ASSERT_EQ(write(wake_fd.fd(), &almost_full, sizeof almost_full), 8);
  wake_fd.wake();
  EXPECT_TRUE(readable(wake_fd.fd(), 0));
  wake_fd.drain();
  EXPECT_FALSE(readable(wake_fd.fd(), 0));
}

TEST(WakeFdTest, IsClosedInChildrenAndNonBlocking) {
  const WakeFd wake_fd;
  EXPECT_NE(fcntl(wake_fd.fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(wake_fd.fd(), F_GETFL) & O_NONBLOCK, 0);
}

// UBSan looks at every object by way of a pipe, and so cannot check a process without descriptors.
#if !defined(__SANITIZE_ADDRESS__)
TEST(WakeFdTest, NoDescriptorLeftIsAnErrorWhenBuilt) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_THROW(WakeFd(), std::system_error);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}
#endif

TEST(CompletionRingTest, EmptyGivesNothing) {
  CountingWaker waker;
  CompletionRing ring(waker);
  EXPECT_EQ(ring.take_all(), nullptr);
  EXPECT_EQ(waker.count, 0);
}

TEST(CompletionRingTest, ChainsComeOutInPushOrder) {
  CountingWaker waker;
  CompletionRing ring(waker);
  std::vector<Numbered> nodes = numbered(8);
  push_range(ring, nodes, 0, 3);
  ring.push(&nodes[3]);
  push_range(ring, nodes, 4, 6);
  push_range(ring, nodes, 6, 8);
  EXPECT_EQ(numbers(ring.take_all()), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(ring.take_all(), nullptr);
}

TEST(CompletionRingTest, LinkBehindTheLastNodeIsIgnored) {
  CountingWaker waker;
  CompletionRing ring(waker);
  std::vector<Numbered> nodes = numbered(3);
  nodes[1].next = &nodes[2];  // left over from an earlier use
  push_range(ring, nodes, 0, 2);
  EXPECT_EQ(numbers(ring.take_all()), (std::vector<int>{0, 1}));
}

TEST(CompletionRingTest, NodesMayBePushedAgainOnceTaken) {
  CountingWaker waker;
  CompletionRing ring(waker);
  std::vector<Numbered> nodes = numbered(3);
  for (int round = 0; round < 3; ++round) {
    push_range(ring, nodes, 0, 3);
    EXPECT_EQ(numbers(ring.take_all()), (std::vector<int>{0, 1, 2}));
  }
}

TEST(CompletionRingTest, WakesOncePerArm) {
  CountingWaker waker;
  CompletionRing ring(waker);
  std::vector<Numbered> nodes = numbered(6);
  ring.push(&nodes[0]);  // born armed
  EXPECT_EQ(waker.count, 1);
  ring.push(&nodes[1]);
  ring.push(&nodes[2]);
  EXPECT_EQ(waker.count, 1);
  (void)ring.take_all();
  ring.push(&nodes[3]);  // the owner has not said that it will sleep
  EXPECT_EQ(waker.count, 1);
  ring.arm();
  ring.arm();
  push_range(ring, nodes, 4, 6);
  EXPECT_EQ(waker.count, 2);
}

// The owner's loop sleeps on the fd whenever it finds nothing; a lost wake-up ends in a time-out.
TEST(CompletionRingTest, NoLostWakeUpAndOrderKeptPerProducer) {
  constexpr int kProducers = 3;
  constexpr int kEach = 12000;
  WakeFd wake_fd;
  CompletionRing ring(wake_fd);
  std::vector<std::vector<Numbered>> nodes;
  for (int p = 0; p < kProducers; ++p) {
    nodes.push_back(numbered(kEach));
    for (auto& node : nodes.back()) node.producer = p;
  }
  std::vector<std::thread> threads;
  for (int p = 0; p < kProducers; ++p) {
    threads.emplace_back([&, p] {
      auto& mine = nodes[static_cast<std::size_t>(p)];
      for (std::size_t from = 0, length = 1; from < mine.size(); length = length % 5 + 1) {
        const std::size_t to = std::min(from + length, mine.size());
        push_range(ring, mine, from, to);
        from = to;
        if (length == 5) std::this_thread::yield();
      }
    });
  }
  std::vector<int> next(kProducers, 0);
  int taken = 0;
  int misordered = 0;
  bool lost = false;
  while (taken < kProducers * kEach && !lost) {
    ring.arm();
    CompletionNode* node = ring.take_all();
    if (node == nullptr) {
      lost = !readable(wake_fd.fd(), 30'000);
      wake_fd.drain();
    }
    while (node != nullptr) {
      const auto* numbered_node = static_cast<Numbered*>(node);
      node = node->next;
      auto& expected = next[static_cast<std::size_t>(numbered_node->producer)];
      if (numbered_node->number != expected++) ++misordered;
      ++taken;
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(lost);
  EXPECT_EQ(misordered, 0);
  EXPECT_EQ(taken, kProducers * kEach);
}

TEST(CompletionRingTest, AtMostOneWakePerArmWhileThreadsRace) {
  constexpr int kProducers = 3;
  constexpr int kEach = 10000;
  CountingWaker waker;
  CompletionRing ring(waker);
  std::vector<std::vector<Numbered>> nodes(kProducers);
  std::vector<std::thread> threads;
  for (auto& mine : nodes) {
    mine = numbered(kEach);
    threads.emplace_back([&] {
      for (auto& node : mine) ring.push(&node);
    });
  }
  int arms = 1;  // born armed
  for (int taken = 0; taken < kProducers * kEach;) {
    const auto batch = static_cast<int>(numbers(ring.take_all()).size());
    taken += batch;
    if (batch == 0) std::this_thread::yield();
    if (batch % 2 == 1) {
      ++arms;
      ring.arm();
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(waker.count.load(), arms);
  EXPECT_GE(waker.count.load(), 1);
}

// Stays in wake() until the owner has taken what was pushed, and for a while longer.
class LingeringWaker final : public Waker {
 public:
  void wake() noexcept override {
    taken.acquire();
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    left = true;
  }
  std::binary_semaphore taken{0};
  std::atomic<bool> left{false};
};

TEST(CompletionRingTest, MayGoAsSoonAsTheLastPushIsTaken) {
  LingeringWaker waker;
  auto ring = std::make_unique<CompletionRing>(waker);
  Numbered node;
  std::thread pusher([&] { ring->push(&node); });
  while (ring->take_all() == nullptr) std::this_thread::yield();
  waker.taken.release();
  ring.reset();
  EXPECT_TRUE(waker.left.load()) << "the ring and the waker went while a push used them";
  pusher.join();
}

}  // namespace
}  // namespace penstock
