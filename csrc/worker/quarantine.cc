// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/quarantine.h"

#include <algorithm>

namespace penstock::worker {

std::uint64_t Quarantine::hash(const Batch& batch, std::size_t row) const {
  std::uint64_t hash = 0;
  for (const InputTensor& input : batch.request(row).inputs) {
    const auto spec = static_cast<std::uint64_t>(input.spec);
    hash = hash_(hash, reinterpret_cast<const std::byte*>(&spec), sizeof spec);
    hash = hash_(hash, input.view.data, input.view.size_bytes);
  }
  return hash;
}

void Quarantine::read(const Batch& batch) {
  contents_.resize(batch.size());
  for (std::size_t row = 0; row < batch.size(); ++row) contents_[row] = hash(batch, row);
}

Quarantine::Entry* Quarantine::find(std::uint64_t hash) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [hash](const Entry& entry) { return entry.hash == hash; });
  return found == entries_.end() ? nullptr : &*found;
}

const std::vector<bool>& Quarantine::refused(const Batch& batch, std::int64_t now_ns) {
  contents_.clear();
  refused_.clear();
  std::erase_if(entries_, [now_ns](const Entry& e) { return now_ns - e.at_ns > kKeptNs; });
  if (entries_.empty()) return refused_;
  read(batch);
  for (std::size_t row = 0; row < batch.size(); ++row) {
    const Entry* entry = find(contents_[row]);
    if (entry == nullptr || entry->blames < kMostBlames) continue;
    refused_.resize(batch.size(), false);
    refused_[row] = true;
  }
  return refused_;
}

void Quarantine::blame(const Batch& batch, std::int64_t now_ns) {
  if (contents_.empty()) read(batch);
  for (std::size_t row = 0; row < batch.size(); ++row) {
    if (batch.padding(row) || (!refused_.empty() && refused_[row])) continue;
    Entry* entry = find(contents_[row]);
    if (entry == nullptr) {
      if (entries_.size() == kMaxEntries) entries_.erase(entries_.begin());
      entry = &entries_.emplace_back(Entry{contents_[row]});
    }
    ++entry->blames;
    entry->at_ns = now_ns;
  }
}

void Quarantine::forgive() {
  for (std::size_t row = 0; row < contents_.size(); ++row) {
    if (!refused_.empty() && refused_[row]) continue;
    std::erase_if(entries_, [&](const Entry& entry) { return entry.hash == contents_[row]; });
  }
}

}  // namespace penstock::worker
