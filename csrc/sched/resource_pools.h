// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ResourcePools: how much of each resource there is, and how much of it is in use (contract 4.5).
//
// A resource is one pool for the whole server (global) or one a device. What the server was not
// told to have of it is as much as the most demanding instance needs, so that each can run alone;
// that follows models as they come and go. Thread safety: none, RateLimiter's lock covers it.
// Ownership: a pool lives as long as somebody has a need of it. Nothing blocks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "penstock/plan.h"
#include "penstock/status.h"

namespace penstock {

struct ResourcePool {
  std::string name;
  std::optional<std::int32_t> device;   // none: global
  std::optional<std::uint64_t> given;   // what the server was told to have
  std::multiset<std::uint64_t> needed;  // by each instance that counts
  std::uint64_t used = 0;
  std::uint64_t turn = 0;        // RateLimiter: of the last one that was given of it
  std::uint64_t blocked_in = 0;  // RateLimiter: the pass in which somebody waited for it

  [[nodiscard]] std::uint64_t limit() const {
    return given ? *given : needed.empty() ? 0 : *needed.rbegin();
  }
};

struct ResourceNeed {
  std::shared_ptr<ResourcePool> pool;
  std::uint64_t count = 0;

  // More may be in use than there is: its limit falls when a model goes.
  [[nodiscard]] bool met() const {
    return count == 0 || (pool->used <= pool->limit() && count <= pool->limit() - pool->used);
  }
};
using ResourceNeeds = std::vector<ResourceNeed>;

class ResourcePools {
 public:
  explicit ResourcePools(std::vector<ResourceCount> given) : given_(std::move(given)) {}

  // What each instance needs; from now on it counts. INVALID_ARG in the contract's words, and
  // nothing has changed, when an instance could never run or a resource is of both kinds.
  [[nodiscard]] Result<std::vector<ResourceNeeds>> add(std::span<const InstanceLimit> instances);
  // They count no more; what is in use of them stays so.
  void remove(std::span<const ResourceNeeds> instances);

 private:
  using Key = std::pair<std::string, std::optional<std::int32_t>>;
  [[nodiscard]] std::shared_ptr<ResourcePool> find(const Key& key);
  [[nodiscard]] std::optional<std::uint64_t> given(const Key& key) const;
  [[nodiscard]] Status check(const ResourcePool& pool) const;

  const std::vector<ResourceCount> given_;
  std::map<Key, std::weak_ptr<ResourcePool>> pools_;
};

}  // namespace penstock
