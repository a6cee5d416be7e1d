// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// LocalCache: the response cache in the server's own memory, bounded in bytes; who was not used for
// longest is evicted first.
//
// One lock, held for a look-up in a table and never while bytes are copied or freed; models without
// a cache never come near it. Thread safety and ownership: as ResponseCache.
#pragma once

#include <list>
#include <mutex>
#include <unordered_map>

#include "cache/response_cache.h"

namespace penstock {

class LocalCache final : public ResponseCache {
 public:
  // What an entry costs beside its answer.
  static constexpr std::size_t kEntryBytes = 160;

  explicit LocalCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  [[nodiscard]] std::shared_ptr<const CachedAnswer> find(const CacheKey& key) override;
  bool insert(const CacheKey& key, std::shared_ptr<const CachedAnswer> answer) override;
  [[nodiscard]] bool has_room_for(std::size_t size_bytes) const override;
  [[nodiscard]] std::size_t used_bytes() const;
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    CacheKey key;
    std::shared_ptr<const CachedAnswer> answer;
  };
  using Entries = std::list<Entry>;
  struct KeyHash {
    std::size_t operator()(const CacheKey& key) const { return key.inputs ^ key.model; }
  };
  // Moves an entry to `evicted`, to be freed without the lock.
  void evict(Entries::iterator entry, Entries& evicted);

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::size_t used_bytes_ = 0;                                       // under mutex_
  Entries entries_;                                                  // under mutex_: newest first
  std::unordered_map<CacheKey, Entries::iterator, KeyHash> by_key_;  // under mutex_
};

}  // namespace penstock
