// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RequestPool, ResponsePool: the slots that requests live in, and the further responses of those
// that have more than one.
//
// A free slot keeps the capacity of its members. Thread safety and ownership: as SlotPool.
#pragma once

#include <atomic>
#include <cstdint>

#include "penstock/request.h"
#include "request/slot_pool.h"

namespace penstock {

class RequestPool {
 public:
  explicit RequestPool(std::uint32_t max_slots) : slots_(max_slots) {}

  // A clean slot in state Filling; nullptr when all are taken.
  [[nodiscard]] Request* acquire();
  // The slot's handle goes stale; leases are returned.
  void release(Request* request);
  // Marks the slot cancelled when the handle is not stale.
  bool cancel(RequestHandle handle);
  [[nodiscard]] std::uint64_t acquired() const;
  [[nodiscard]] std::uint64_t released() const;

 private:
  SlotPool<Request> slots_;
  std::atomic<std::uint64_t> acquired_{0};
  std::atomic<std::uint64_t> released_{0};
};

class ResponsePool {
 public:
  explicit ResponsePool(std::uint32_t max_slots) : slots_(max_slots) {}

  // A clean response, not final; nullptr when all are taken.
  [[nodiscard]] Response* acquire();
  // Leases are returned.
  void release(Response* response);

 private:
  SlotPool<Response> slots_;
};

}  // namespace penstock
