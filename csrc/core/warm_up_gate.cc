// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/warm_up_gate.h"

#include <utility>

namespace penstock {

std::span<Request* const> WarmUpGate::take(std::uint32_t index) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_open() || !offered_[index].empty(); });
  if (is_open()) return {};
  const auto taken = std::exchange(offered_[index], {});
  changed_.notify_all();
  return taken;
}

bool WarmUpGate::hand(std::uint32_t index, std::span<Request* const> requests) {
  std::unique_lock lock(mutex_);
  if (is_open()) return false;
  offered_[index] = requests;
  changed_.notify_all();
  changed_.wait(lock, [&] { return is_open() || offered_[index].empty(); });
  return std::exchange(offered_[index], {}).empty();
}

void WarmUpGate::open() {
  std::lock_guard lock(mutex_);
  open_.store(true, std::memory_order_release);  // pairs with the load in is_open()
  changed_.notify_all();
}

}  // namespace penstock
