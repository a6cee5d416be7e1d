// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/ring.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

namespace penstock::worker {

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::int64_t deadline_ns) {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  const std::int64_t ns = std::max<std::int64_t>(deadline_ns, 0);
  const timespec until{static_cast<time_t>(ns / kNsPerSecond),
                       static_cast<long>(ns % kNsPerSecond)};
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected,
          deadline_ns == kNoDeadline ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

bool RingProducer::push(const Descriptor& descriptor) {
  if (untaken() >= kRingEntries) return false;
  ring_.entries[tail_ % kRingEntries] = descriptor;
  ring_.tail.store(++tail_);  // pairs with the loads in RingConsumer
  return true;
}

void RingProducer::wake() {
  // seq_cst, after the store of the tail: pairs with the store in RingConsumer::wait()
  if (ring_.asleep.load() == 0) return;
  if (ring_.asleep.exchange(0) != 0) futex_wake(ring_.asleep);
}

std::uint32_t RingProducer::untaken() const {
  // acquire: pairs with the release in take(); the entry was copied before. A head that is none
  // makes the ring look full.
  return tail_ - ring_.head.load(std::memory_order_acquire);
}

RingConsumer::Taken RingConsumer::take(Descriptor& out) {
  const std::uint32_t filled = ring_.tail.load() - head_;
  if (filled == 0) return Taken::kNothing;
  if (filled > kRingEntries) return Taken::kBroken;
  out = ring_.entries[head_ % kRingEntries];
  ring_.head.store(++head_, std::memory_order_release);  // pairs with the load in untaken()
  return Taken::kOne;
}

bool RingConsumer::empty() const { return ring_.tail.load() == head_; }

void RingConsumer::wait(std::int64_t deadline_ns) {
  ring_.asleep.store(1);
  // interrupts_ is private memory: the other process cannot take an interruption back.
  if (empty() && interrupts_.load() == 0) futex_wait(ring_.asleep, 1, deadline_ns);
  ring_.asleep.store(0);
  interrupts_.store(0);
}

void RingConsumer::interrupt() {
  interrupts_.store(1);
  ring_.asleep.store(0);
  futex_wake(ring_.asleep);
}

}  // namespace penstock::worker
