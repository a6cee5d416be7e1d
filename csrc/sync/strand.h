// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Strand: work that any thread may do, one at a time, and that nobody waits for.
//
//   who has news                             who has the strand
//     put it where the work finds it           do {
//     if (strand.enter()) do the work            seen = strand.seen(); work until nothing is left
//                                              } while (!strand.leave(seen));
//
// Who enters in vain can go: the one that has it looks again before it leaves. One that has had its
// share may hand it over to a thread that takes over when it is told to look; who never leaves
// closes it. Thread safety: enter() and take_over() any thread, the rest whoever has it, and what
// one of them did the next one sees. Ownership: none. Nothing blocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

// `Atom`: as in MpmcRing.
template <template <typename> class Atom = std::atomic>
class BasicStrand {
 public:
  // True: the caller has it.
  [[nodiscard]] bool enter() noexcept {
    // acq_rel: acquire pairs with the release in leave(), release with the acquire in seen()
    return news_.fetch_add(1, std::memory_order_acq_rel) == 0;
  }
  // acquire: pairs with the release in enter(), so that the work finds what was put there before
  [[nodiscard]] std::uint32_t seen() const noexcept {
    return news_.load(std::memory_order_acquire);
  }
  // False: there may be news since `seen`, and the caller still has it.
  [[nodiscard]] bool leave(std::uint32_t seen) noexcept {
    // release: pairs with the acquire in enter(). relaxed on failure: seen() is to be asked again
    return news_.compare_exchange_weak(seen, 0, std::memory_order_release,
                                       std::memory_order_relaxed);
  }
  // Keeps it for who takes over, which is to be told.
  void hand_over() noexcept {
    handed_.store(true, std::memory_order_release);  // pairs with the acquire in take_over()
  }
  // True: it was handed over to the caller.
  [[nodiscard]] bool take_over() noexcept {
    return handed_.exchange(false, std::memory_order_acquire);
  }

 private:
  Atom<std::uint32_t> news_{0};  // since it was last left
  Atom<bool> handed_{false};
};

using Strand = BasicStrand<>;

}  // namespace penstock
