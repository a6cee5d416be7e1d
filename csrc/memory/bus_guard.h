// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// BusGuard: survives that somebody shortens a file which is mapped here.
//
// Touching a page of a mapping past the end of its file is a SIGBUS, and whoever shares the file
// can shorten it at any time. While a mapping is guarded, that touch finds zeros instead: the
// signal's handler puts private memory where the page was, and the guard knows. Anybody else's
// SIGBUS goes to whoever handled it before.
//
// Thread safety: any thread. Ownership: borrows the mapping, which outlives its guard. Nothing
// blocks but the first guard of a process, which installs the handler.
#pragma once

#include <cstddef>

namespace penstock {

class BusGuard {
 public:
  // At most so many at once; one more is not guarded, see guarded().
  static constexpr std::size_t kMost = 4096;

  // Whole pages.
  BusGuard(const std::byte* data, std::size_t size_bytes);
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

  [[nodiscard]] bool guarded() const { return slot_ < kMost; }
  // A page of it was away when it was touched.
  [[nodiscard]] bool shortened() const;

 private:
  std::size_t slot_ = kMost;
};

}  // namespace penstock
