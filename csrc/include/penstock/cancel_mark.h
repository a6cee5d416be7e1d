// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// CancelMark: which use of a slot it is, and whether that one was cancelled.
//
// Uses are numbered (generations). A cancellation carries the number of the use it is for: one that
// comes late, when the slot serves another request already, never touches that one. Thread safety:
// cancel() and cancelled() from any thread, next() from the slot's owner alone. Ownership: none.
// Nothing blocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

// `Atom`: as in RefCount.
template <template <typename> class Atom = std::atomic>
class BasicCancelMark {
 public:
  BasicCancelMark() noexcept : BasicCancelMark(1) {}
  explicit BasicCancelMark(std::uint64_t generation) noexcept : generation_(generation) {}
  // relaxed: the owner made it; others only compare it
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_relaxed);
  }
  // Another use begins. Handles to the one before are stale.
  void next() noexcept {
    // relaxed: the owner alone moves it; whoever cancels meanwhile carries the number he means
    generation_.fetch_add(1, std::memory_order_relaxed);
  }
  // False: that use is over.
  bool cancel(std::uint64_t generation) noexcept {
    if (this->generation() != generation) return false;
    mark(generation);
    return true;
  }
  // Only ever moves forward, so a late mark cannot undo a newer one.
  void mark(std::uint64_t generation) noexcept {
    // relaxed: the exchange decides
    std::uint64_t seen = mark_.load(std::memory_order_relaxed);
    // seq_cst: with the load in cancelled(), and Reaper::expect() behind it: a sweep that began too
    // late to be hurried sees the mark
    while (seen < generation &&
           !mark_.compare_exchange_weak(seen, generation, std::memory_order_seq_cst,
                                        std::memory_order_relaxed)) {
    }
  }
  [[nodiscard]] bool cancelled() const noexcept { return mark_.load() == generation(); }

 private:
  Atom<std::uint64_t> mark_{0};  // the generation that was cancelled last
  Atom<std::uint64_t> generation_;
};

using CancelMark = BasicCancelMark<>;

}  // namespace penstock
