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
#include "sync/tagged_stack.h"

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
  struct Slot {
    Request request;
    std::atomic<std::uint32_t> link{0};  // to the next free one
  };
  Request* grow();
  [[nodiscard]] Slot& slot(std::uint32_t index) const;
  [[nodiscard]] Request* pop_free();
  void push_free(std::uint32_t index);

  const std::uint32_t max_slots_;
  // A stack, not a ring: one thread stopped in the middle of a release must not make the pool look
  // empty to the others.
  TaggedStack<> free_;
  std::mutex grow_mutex_;
  std::vector<std::atomic<Slot*>> blocks_;      // sized once; an entry is set once
  std::vector<std::unique_ptr<Slot[]>> owned_;  // under grow_mutex_
  std::uint32_t made_ = 0;                      // under grow_mutex_
  std::atomic<std::uint64_t> acquired_{0};
  std::atomic<std::uint64_t> released_{0};
};

}  // namespace penstock
