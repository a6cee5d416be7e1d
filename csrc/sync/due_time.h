// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// DueTime: when the one who looks around is to come next: the earliest of all that is expected.
//
// Thread safety: expect() and get() from any thread, clear() from the one who looks around, who
// clears before he looks. Ownership: none. Nothing blocks.
//
// Whoever expects something no earlier than what is expected already relies on the round that comes
// then. That round may have begun: cleared, and looked. So what he has done before must be such
// that it is seen by a look behind the clear() that he did not notice: a seq_cst write that a
// seq_cst load looks at.
#pragma once

#include <atomic>
#include <cstdint>

#include "penstock/clock.h"

namespace penstock {

// `Atom`: as in MpmcRing.
template <template <typename> class Atom = std::atomic>
class BasicDueTime {
 public:
  // True: nothing earlier was expected, and who waits is to be told.
  [[nodiscard]] bool expect(std::int64_t when_ns) noexcept {
    std::int64_t due = due_ns_.load();  // seq_cst: pairs with clear(), see above
    do {
      if (when_ns >= due) return false;
      // relaxed: if what was loaded is cleared by now, the rule above holds; if not, this is later
    } while (!due_ns_.compare_exchange_weak(due, when_ns, std::memory_order_relaxed,
                                            std::memory_order_relaxed));
    return true;
  }
  [[nodiscard]] std::int64_t get() const noexcept {
    return due_ns_.load(std::memory_order_relaxed);  // relaxed: as above
  }
  void clear() noexcept { due_ns_.store(kNoDeadline); }  // seq_cst: see above

 private:
  Atom<std::int64_t> due_ns_{kNoDeadline};
};

using DueTime = BasicDueTime<>;

}  // namespace penstock
