// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RingProducer, RingConsumer: the two ends of a SharedRing, each in its own process.
//
// An end believes its own index and its copy of what the other end wrote: whatever the other
// process does to the memory, an end reads and writes inside the ring and comes back. Thread
// safety: one thread at a time an end. Ownership: borrows the ring. Only wait() blocks.
//
// Why no wake-up is lost: the consumer says that it is about to sleep and then looks at the tail,
// the producer moves the tail and then looks whether somebody sleeps, all seq_cst: one of them sees
// the other.
#pragma once

#include <cstdint>

#include "penstock/clock.h"
#include "worker/shared_layout.h"

namespace penstock::worker {

// FUTEX_WAIT and FUTEX_WAKE on memory that processes share. `deadline_ns`: CLOCK_MONOTONIC.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t deadline_ns);
void futex_wake(std::atomic<std::uint32_t>& word);

class RingProducer {
 public:
  explicit RingProducer(SharedRing& ring) : ring_(ring) {}
  // False when the ring is full. Wakes nobody: wake() is owed.
  [[nodiscard]] bool push(const Descriptor& descriptor);
  void wake();
  // How many of those pushed the consumer has not taken, as it says.
  [[nodiscard]] std::uint32_t untaken() const;

 private:
  SharedRing& ring_;
  std::uint32_t tail_ = 0;
};

class RingConsumer {
 public:
  enum class Taken : std::uint8_t { kNothing, kOne, kBroken };

  explicit RingConsumer(SharedRing& ring) : ring_(ring) {}
  // kBroken: the producer's index is none that it can have.
  [[nodiscard]] Taken take(Descriptor& out);
  // Until there may be something to take, interrupt() was called, or the time has come.
  void wait(std::int64_t deadline_ns = kNoDeadline);
  // Ends a wait; from any thread.
  void interrupt();

 private:
  [[nodiscard]] bool empty() const;

  SharedRing& ring_;
  std::uint32_t head_ = 0;
  std::atomic<std::uint32_t> interrupts_{0};
};

}  // namespace penstock::worker
