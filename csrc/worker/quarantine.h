// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Quarantine: the contents of requests that a worker process did not survive.
//
// All requests of a batch whose process ended are blamed; one that is executed later is forgiven,
// so that two blames in a row tell who it is: such contents are refused for a while. Requests are
// told apart by the names and bytes of their inputs. Thread safety: one thread's (the instance's).
// Ownership: none, it keeps hashes. Nothing blocks. Costs nothing while nobody is blamed.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/content_hash.h"
#include "penstock/backend.h"

namespace penstock::worker {

class Quarantine {
 public:
  // Which rows of the batch are refused; empty when none is. Looks at the contents when anybody was
  // blamed.
  [[nodiscard]] const std::vector<bool>& refused(const Batch& batch, std::int64_t now_ns);
  // The batch that was looked at last: its process has ended, or has answered.
  void blame(const Batch& batch, std::int64_t now_ns);
  void forgive();

  static constexpr std::size_t kMaxEntries = 256;
  static constexpr std::uint32_t kMostBlames = 2;
  static constexpr std::int64_t kKeptNs = 600'000'000'000;

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t blames = 0;
    std::int64_t at_ns = 0;
  };
  [[nodiscard]] std::uint64_t hash(const Batch& batch, std::size_t row) const;
  void read(const Batch& batch);
  [[nodiscard]] Entry* find(std::uint64_t hash);

  const ContentHash hash_;
  std::vector<Entry> entries_;           // the oldest first
  std::vector<std::uint64_t> contents_;  // of the batch at hand, by row; empty: not looked at
  std::vector<bool> refused_;
};

}  // namespace penstock::worker
