// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Turnstile: counts who is inside, can be closed, and then somebody waits until all are out.
//
//   who comes                                who closes
//     turnstile.enter();                       turnstile.close();
//     if (turnstile.closed()) leave again      look at empty(), sleep until told, look again
//     ...
//     if (turnstile.leave()) tell who waits
//
// Thread safety: all methods, any thread. Ownership: none. Nothing blocks.
//
// All orders are seq_cst. Coming in is "count, then look whether it is closed", closing is "close,
// then look at the count", leaving is "uncount, then look whether it is closed": of two sides that
// each write and then read what the other one wrote, one must see the other.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock {

// `Atom`: as in MpmcRing.
template <template <typename> class Atom = std::atomic>
class BasicTurnstile {
 public:
  // How many there were before. closed() is to be looked at next.
  std::uint64_t enter() noexcept { return inside_.fetch_add(1); }
  // True: it is closed, and this was the last one.
  [[nodiscard]] bool leave() noexcept { return inside_.fetch_sub(1) == 1 && closed_.load(); }
  void close() noexcept { closed_.store(true); }
  [[nodiscard]] bool closed() const noexcept { return closed_.load(); }
  [[nodiscard]] std::uint64_t inside() const noexcept { return inside_.load(); }
  [[nodiscard]] bool empty() const noexcept { return inside() == 0; }

 private:
  Atom<std::uint64_t> inside_{0};
  Atom<bool> closed_{false};
};

using Turnstile = BasicTurnstile<>;

}  // namespace penstock
