// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Channel: one process's end of the memory it shares with the other: messages out, messages in,
// and the blocks that go with them.
//
// A sender places bytes in blocks of its own pool (which lies in its arena) and lends them; the
// receiver reads them where they lie and lets go by setting a bit, from any thread, which the
// sender collects when it needs memory. Nothing that the peer wrote is believed: descriptors and
// message bytes are copied first, places are checked against the peer's arena, a slot that the peer
// gives back twice is ignored. Thread safety: post(), lend(), wake(): any thread; take(), wait():
// one thread at a time. Ownership: keeps the mapping; a received lease keeps it, too. wait()
// blocks.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "penstock/buffer.h"
#include "worker/ring.h"
#include "worker/shared_memory.h"

namespace penstock::worker {

enum class Side : std::uint8_t { kServer, kWorker };

struct Message {
  MessageKind kind{};
  std::uint64_t id = 0;
  std::vector<std::byte> bytes;  // a copy: the peer cannot change it any more
  BufferLease block;             // what the bytes begin; tensors may lie behind them
  std::uint64_t offset = 0;      // of the block in the peer's arena
};

class Channel {
 public:
  // `pool` makes blocks in this side's arena, and ends after the channel.
  Channel(std::shared_ptr<SharedMemory> memory, Side side, BufferPool& pool);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // ---- out ----
  // A block that the peer can read; empty when memory is exhausted.
  [[nodiscard]] BufferLease acquire(std::size_t size_bytes);
  // Whether bytes lie in this side's arena.
  [[nodiscard]] bool own(const std::byte* data, std::size_t size_bytes) const;
  [[nodiscard]] std::uint64_t offset_of(const std::byte* data) const;
  // Keeps the block until the peer lets go of it; kNoSlot when too many are out.
  [[nodiscard]] std::uint32_t lend(BufferLease block);
  // Of a slot that the peer was not told of.
  void take_back(std::uint32_t slot);
  // Sends `size_bytes` that begin the block; an empty one has none. False when the ring, or the
  // table of leases, is full.
  [[nodiscard]] bool post(MessageKind kind, std::uint64_t id, BufferLease block,
                          std::size_t size_bytes);
  // The peer takes what was posted; once a burst.
  void wake() { producer_.wake(); }
  // How many messages the peer has not taken, as it says.
  [[nodiscard]] std::uint32_t untaken() const { return producer_.untaken(); }
  // Takes back what the peer has let go of.
  void collect();

  // ---- in ----
  enum class Taken : std::uint8_t { kNothing, kOne, kBroken };
  [[nodiscard]] Taken take(Message& message);
  void wait(std::int64_t deadline_ns) { consumer_.wait(deadline_ns); }
  void interrupt() { consumer_.interrupt(); }
  // Bytes at a place that the peer has named; nullptr when they do not lie in its arena.
  [[nodiscard]] const std::byte* peer_bytes(std::uint64_t offset, std::uint64_t size_bytes) const;
  // A lease on the peer's block behind `slot`; empty for a slot that there is not.
  [[nodiscard]] BufferLease borrow(std::uint32_t slot, const std::byte* data,
                                   std::size_t size_bytes) const;

  [[nodiscard]] RequestCell& cell(std::uint32_t index) const {
    return memory_->control().cells[index];
  }
  [[nodiscard]] const std::shared_ptr<SharedMemory>& memory() const { return memory_; }

  // The longest message; more is not believed. A call has its tensors in it, and the arena, which
  // is shm-max-byte-size, bounds them before this does by default.
  static constexpr std::uint64_t kMaxMessageBytes = std::uint64_t{1} << 30;

 private:
  void collect_locked();

  const std::shared_ptr<SharedMemory> memory_;
  const Side side_;
  BufferPool& pool_;
  Lane& out_;
  Lane& in_;
  std::byte* const own_arena_;
  const std::byte* const peer_arena_;
  RingConsumer consumer_;
  std::mutex mutex_;  // guards what follows
  RingProducer producer_;
  std::vector<BufferLease> lent_;  // by slot
  std::vector<std::uint32_t> free_slots_;
};

}  // namespace penstock::worker
