// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// BusGuard: survives that somebody shortens a file which is mapped here.
//
// Touching a page of a mapping past the end of its file is a SIGBUS, and whoever shares the file
// can shorten it at any time. While a mapping is guarded, that touch finds zeros instead: the
// signal's handler puts private memory where the file's was, from that page to the mapping's end,
// and marks the mapping. Anybody else's SIGBUS goes to whoever handled it before.
//
// Thread safety: any thread. Ownership: borrows the mapping, which outlives its guard. Nothing
// blocks but the first guard of a process, which installs the handler.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace penstock {

// A mapping as the handler sees it.
struct GuardedMapping {
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;          // whole pages
  std::atomic<bool> shortened{false};  // relaxed: only ever becomes true, and orders nothing
};

class BusGuard {
 public:
  // At most so many at once; one more is not guarded, see guarded().
  static constexpr std::size_t kMost = 4096;

  explicit BusGuard(GuardedMapping& mapping);
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

  [[nodiscard]] bool guarded() const { return slot_ < kMost; }

 private:
  std::size_t slot_ = kMost;
};

}  // namespace penstock
