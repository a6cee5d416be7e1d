// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ResponseCache: answers kept for requests with the same inputs (contract 4.6).
//
// One serves all models; ModelCache is what a model sees of it. Thread safety: all methods, any
// thread. Ownership: an answer owns its bytes and is shared: one that is evicted lives on until the
// last response that was made of it is released. What is here must not block for longer than a
// short lock: find() is called on event loops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cache/cached_answer.h"

namespace penstock {

struct CacheKey {
  std::uint64_t model = 0;   // of one load of one version, never used again
  std::uint64_t inputs = 0;  // hash of their names and bytes
  friend bool operator==(const CacheKey&, const CacheKey&) = default;
};

class ResponseCache {
 public:
  virtual ~ResponseCache() = default;
  // Null: not there.
  [[nodiscard]] virtual std::shared_ptr<const CachedAnswer> find(const CacheKey& key) = 0;
  // Replaces what is there. False: it has no room for so much.
  virtual bool insert(const CacheKey& key, std::shared_ptr<const CachedAnswer> answer) = 0;
  // Whether an answer of this size would be taken, before it is copied.
  [[nodiscard]] virtual bool has_room_for(std::size_t size_bytes) const = 0;
};

}  // namespace penstock
