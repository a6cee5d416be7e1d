// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// BoundedCount: lets in as many as there is room for.
//
// Thread safety: all methods, any thread. Ownership: none. Nothing blocks. It may turn somebody
// away while another, who was turned away, has not left yet.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

// `Atom`: as in MpmcRing.
template <template <typename> class Atom = std::atomic>
class BasicBoundedCount {
 public:
  // False: full, and not counted.
  [[nodiscard]] bool try_enter(std::uint64_t limit) noexcept {
    // relaxed, here and below: the count bounds itself, and orders nothing else
    if (count_.fetch_add(1, std::memory_order_relaxed) < limit) return true;
    leave();
    return false;
  }
  void leave() noexcept { count_.fetch_sub(1, std::memory_order_relaxed); }
  // Out of date at once, and more than the limit while somebody is being refused.
  [[nodiscard]] std::uint64_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);
  }

 private:
  Atom<std::uint64_t> count_{0};
};

using BoundedCount = BasicBoundedCount<>;

}  // namespace penstock
