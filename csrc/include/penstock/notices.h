// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Notices: what the core has to say to the server's log: rare, a line each, never a request's fate.
//
// Thread safety: add() from any thread, the rest from the one reader. Ownership: lines are copied
// in and moved out. Bounded: beyond kMost lines they are only counted. Nothing blocks but for the
// lock, under which nothing is done but this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "penstock/completion.h"

namespace penstock {

class Notices {
 public:
  static constexpr std::size_t kMost = 64;

  void add(std::string line);
  // All there are, oldest first, and to `dropped` how many came beside them that were not kept.
  [[nodiscard]] std::vector<std::string> take(std::uint64_t& dropped);
  // Readable while there is something to take.
  [[nodiscard]] int fd() const { return wake_.fd(); }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;  // under mutex_
  std::uint64_t dropped_ = 0;       // under mutex_
  WakeFd wake_;
};

}  // namespace penstock
