// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Sites: where the product names a memory order, and what becomes of it when one is made weaker.
//
// Thread safety: none.
#pragma once

#include <atomic>
#include <compare>
#include <source_location>
#include <string>
#include <vector>

namespace penstock::interleave {

enum class Operation { kLoad, kStore, kModify };

struct Site {
  std::string file;  // within csrc
  unsigned line = 0;
  unsigned column = 0;
  bool failure = false;  // the second order of a compare-exchange
  std::memory_order order = std::memory_order_relaxed;
  Operation operation = Operation::kLoad;

  bool operator==(const Site&) const = default;
};

struct Mutant {
  Site site;
  std::memory_order order = std::memory_order_relaxed;  // instead of the site's
};

// Every site of the product that was met since forget_sites().
[[nodiscard]] std::vector<Site> known_sites();
void forget_sites();
// The orders of one step less.
[[nodiscard]] std::vector<Mutant> mutants_of(const Site& site);
[[nodiscard]] std::string name_of(const Mutant& mutant);
// From now on the site has that order; nullptr: its own.
void mutate(const Mutant* mutant);

// The order that the operation has now.
[[nodiscard]] std::memory_order order_at(const std::source_location& where, Operation operation,
                                         std::memory_order order, bool failure = false);

}  // namespace penstock::interleave
