// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// WarmUpGate: where instances wait for warm-ups until their version is published (contract 2.10).
//
// Thread safety: take() of one index from the instance's thread, hand() of one index from one
// thread at a time, the rest from any. Ownership: borrows requests until they are answered. take()
// and hand() block until the other one comes or the gate opens.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "penstock/request.h"

namespace penstock {

class WarmUpGate {
 public:
  explicit WarmUpGate(std::uint32_t instances) : offered_(instances) {}
  // What instance `index` is to execute next; nothing once the gate is open.
  [[nodiscard]] std::span<Request* const> take(std::uint32_t index);
  // Returns once the instance has taken them; false when the gate opened before.
  [[nodiscard]] bool hand(std::uint32_t index, std::span<Request* const> requests);
  void open();
  [[nodiscard]] bool is_open() const {
    return open_.load(std::memory_order_acquire);  // pairs with the store in open()
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::span<Request* const>> offered_;  // under mutex_
  std::atomic<bool> open_{false};                   // written under mutex_
};

}  // namespace penstock
