// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "cache/local_cache.h"

#include <iterator>
#include <utility>

namespace penstock {

std::shared_ptr<const CachedAnswer> LocalCache::find(const CacheKey& key) {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->answer;
}

bool LocalCache::has_room_for(std::size_t size_bytes) const {
  return size_bytes <= max_bytes_ && max_bytes_ - size_bytes >= kEntryBytes;
}

bool LocalCache::insert(const CacheKey& key, std::shared_ptr<const CachedAnswer> answer) {
  if (!has_room_for(answer->size_bytes)) return false;
  const std::size_t size = answer->size_bytes + kEntryBytes;
  Entries fresh;  // allocated, like the evicted freed, without the lock
  fresh.push_back({key, std::move(answer)});
  Entries evicted;
  std::lock_guard lock(mutex_);
  if (const auto old = by_key_.find(key); old != by_key_.end()) evict(old->second, evicted);
  while (max_bytes_ - used_bytes_ < size) evict(std::prev(entries_.end()), evicted);
  by_key_.emplace(key, fresh.begin());
  entries_.splice(entries_.begin(), fresh);
  used_bytes_ += size;
  return true;
}

void LocalCache::evict(Entries::iterator entry, Entries& evicted) {
  used_bytes_ -= entry->answer->size_bytes + kEntryBytes;
  by_key_.erase(entry->key);
  evicted.splice(evicted.end(), entries_, entry);
}

std::size_t LocalCache::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_bytes_;
}

std::size_t LocalCache::size() const {
  std::lock_guard lock(mutex_);
  return by_key_.size();
}

}  // namespace penstock
