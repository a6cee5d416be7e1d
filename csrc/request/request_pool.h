// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RequestPool: the slots that requests live in.
//
// Slots are made in blocks as load asks for them, up to a bound, and reused for ever after; a free
// slot keeps the capacity of its members. Thread safety: all methods, any thread. Ownership: the
// pool owns the slots; a slot between acquire and release belongs to its owner. Only growing (a new
// block) takes a lock and allocates.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "penstock/request.h"
#include "sync/mpmc_ring.h"

namespace penstock {

class RequestPool {
 public:
  explicit RequestPool(std::uint32_t max_slots);
  RequestPool(const RequestPool&) = delete;
  RequestPool& operator=(const RequestPool&) = delete;

  // A clean slot in state Filling; nullptr when all are taken.
  [[nodiscard]] Request* acquire();
  // The slot's handle goes stale; leases are returned.
  void release(Request* request);
  // Marks the slot cancelled when the handle is not stale.
  bool cancel(RequestHandle handle);
  [[nodiscard]] std::uint64_t acquired() const;
  [[nodiscard]] std::uint64_t released() const;

 private:
  static constexpr std::uint32_t kBlockSlots = 64;
  using Block = std::unique_ptr<Request[]>;
  Request* grow();

  const std::uint32_t max_slots_;
  MpmcRing<Request*> free_;
  std::mutex grow_mutex_;
  std::vector<std::atomic<Request*>> blocks_;  // sized once; an entry is set once
  std::vector<Block> owned_;                   // under grow_mutex_
  std::uint32_t made_ = 0;                     // under grow_mutex_
  std::atomic<std::uint64_t> acquired_{0};
  std::atomic<std::uint64_t> released_{0};
};

}  // namespace penstock
