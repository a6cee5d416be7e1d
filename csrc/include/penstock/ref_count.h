// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// RefCount: how many still need something.
//
// Thread safety: any thread that holds a count, reset() apart. Ownership: none. Nothing blocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

// `Atom` is std::atomic, or a stand-in with its interface that takes control of the interleaving.
template <template <typename> class Atom = std::atomic>
class BasicRefCount {
 public:
  // While nobody else knows of it.
  void reset(std::uint32_t count) noexcept {
    count_.store(count, std::memory_order_relaxed);  // relaxed: published with what it counts
  }
  void add() noexcept {
    // relaxed: a new count is made from one already held, so nothing can end meanwhile
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  // True: it was the last one.
  [[nodiscard]] bool drop() noexcept {
    // acq_rel, with itself: the last one must see every write made under the other counts
    return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  [[nodiscard]] std::uint32_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);  // relaxed: out of date at once
  }

 private:
  Atom<std::uint32_t> count_{1};
};

using RefCount = BasicRefCount<>;

}  // namespace penstock
