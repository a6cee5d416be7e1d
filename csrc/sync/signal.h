// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Signal: something is to be looked at. Any number of raises before a take are one.
//
// Thread safety: raise() from any thread, take() from the one that looks. Whoever takes sees what
// all who raised had done before. Ownership: none. Nothing blocks, and nobody is woken.
#pragma once

#include <atomic>

namespace penstock {

// `Atom`: as in MpmcRing.
template <template <typename> class Atom = std::atomic>
class BasicSignal {
 public:
  // release: pairs with the acquire in take(). An exchange, because a store on top of another's
  // would hide what that one had done.
  void raise() noexcept { raised_.exchange(true, std::memory_order_release); }
  // acquire: pairs with the release in raise()
  [[nodiscard]] bool take() noexcept { return raised_.exchange(false, std::memory_order_acquire); }

 private:
  Atom<bool> raised_{false};
};

using Signal = BasicSignal<>;

}  // namespace penstock
