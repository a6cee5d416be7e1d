// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What lies where in the memory that a server and one of its worker processes share
// (docs/workers.md). Two lanes, one a direction, each of a ring of descriptors, a bitmap of blocks
// that the receiver has let go of, and an arena in which the sender places what it sends.
//
// Thread safety: a lane's ring has one producer and one consumer; the bitmaps and cells are atomic.
// Ownership: none, it is a map. Every word may be written by the other process at any time, so that
// nothing read here may be used before a copy of it was checked. Nothing blocks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sync/cache_line.h"

namespace penstock::worker {

inline constexpr std::uint64_t kLayoutVersion = 0x70656e73746b0001;
inline constexpr std::uint32_t kRingEntries = 1024;
inline constexpr std::uint32_t kLeaseSlots = 4096;
inline constexpr std::uint32_t kCells = 4096;
inline constexpr std::uint32_t kNoSlot = UINT32_MAX;

// To the worker: kBatch, kStop, kCallAnswer. To the server: the others.
enum class MessageKind : std::uint32_t {
  kBatch = 1,       // rows to execute; id: the batch's number
  kStop = 2,        // no batch follows
  kAnswers = 3,     // execute has returned; id: the batch's; the answers of its rows
  kResponse = 4,    // one response of a decoupled request; id: the request's number
  kExhausted = 5,   // kAnswers that found no memory: every row of the batch fails
  kCall = 6,        // a model calls another one (BLS); id: the call's
  kCallAnswer = 7,  // an answer of that call; id: the call's
  kCallMore = 8,    // the model has taken answers of that call and wants more
  kCallCancel = 9,  // the model does not wait for that call any more
};

// One message. Its bytes begin a block in the sender's arena; `slot` names the sender's lease.
struct Descriptor {
  MessageKind kind{};
  std::uint32_t slot = kNoSlot;
  std::uint64_t id = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};
static_assert(sizeof(Descriptor) == 32);

struct SharedRing {
  alignas(kCacheLine) std::atomic<std::uint32_t> tail;  // written by the producer
  alignas(kCacheLine) std::atomic<std::uint32_t> head;  // written by the consumer
  // A futex: 1 while the consumer sleeps, or is about to.
  alignas(kCacheLine) std::atomic<std::uint32_t> asleep;
  alignas(kCacheLine) std::array<Descriptor, kRingEntries> entries;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::uint32_t) == 4);

using ReturnedBits = std::array<std::atomic<std::uint64_t>, kLeaseSlots / 64>;

struct Lane {
  SharedRing ring;
  // Set by the receiver, cleared by the sender: the blocks behind these slots are read.
  alignas(kCacheLine) ReturnedBits returned;
};

// What the server tells of a request that the worker has, while it has it.
struct RequestCell {
  std::atomic<std::uint32_t> cancelled;  // 1: its client does not wait any more
  std::atomic<std::uint32_t> read;       // a futex: how many of its responses the client has taken
  std::atomic<std::uint32_t> waiting;    // 1: the worker waits on `read`
};

struct ControlArea {
  std::uint64_t version;
  std::uint64_t arena_bytes;  // of each lane
  Lane to_worker;
  Lane to_server;
  std::array<RequestCell, kCells> cells;
};

inline constexpr std::size_t kPageBytes = 4096;
// Where the arenas begin: that of to_worker, then that of to_server.
inline constexpr std::size_t kArenasAt =
    (sizeof(ControlArea) + kPageBytes - 1) / kPageBytes * kPageBytes;

}  // namespace penstock::worker
