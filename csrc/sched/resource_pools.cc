// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "sched/resource_pools.h"

#include <algorithm>

namespace penstock {

Result<std::vector<ResourceNeeds>> ResourcePools::add(std::span<const InstanceLimit> instances) {
  std::erase_if(pools_, [](const auto& entry) { return entry.second.expired(); });
  std::vector<ResourceNeeds> all;
  for (const InstanceLimit& instance : instances) {
    ResourceNeeds& needs = all.emplace_back();
    for (const InstanceResource& resource : instance.resources) {
      const auto device = resource.global ? std::nullopt : std::optional(instance.device);
      needs.push_back({find({resource.name, device}), resource.count});
      needs.back().pool->needed.insert(resource.count);
    }
  }
  Status status;
  for (const ResourceNeeds& needs : all) {
    for (const ResourceNeed& need : needs) {
      if (status.ok()) status = check(*need.pool);
    }
  }
  if (status.ok()) return all;
  remove(all);
  return status;
}

void ResourcePools::remove(std::span<const ResourceNeeds> instances) {
  for (const ResourceNeeds& needs : instances) {
    for (const ResourceNeed& need : needs) {
      auto& needed = need.pool->needed;
      needed.erase(needed.find(need.count));
    }
  }
}

std::shared_ptr<ResourcePool> ResourcePools::find(const Key& key) {
  auto pool = pools_[key].lock();
  if (pool) return pool;
  pool = std::make_shared<ResourcePool>();
  pool->name = key.first;
  pool->device = key.second;
  pool->given = given(key);
  pools_[key] = pool;
  return pool;
}

// A count for one device goes before one for each; of a global resource the device is ignored.
std::optional<std::uint64_t> ResourcePools::given(const Key& key) const {
  const auto& [name, device] = key;
  std::optional<std::uint64_t> found;
  for (const ResourceCount& count : given_) {
    if (count.name != name) continue;
    if (count.device == device) return count.count;
    if (!device || !count.device) found = std::max(found.value_or(0), count.count);
  }
  return found;
}

Status ResourcePools::check(const ResourcePool& pool) const {
  const std::uint64_t most = *pool.needed.rbegin();
  if (pool.limit() < most) {
    return invalid_arg("Resource count for \"" + pool.name + "\" is limited to " +
                       std::to_string(pool.limit()) +
                       " which will prevent scheduling of one or more model instances, the minimum "
                       "required count is " +
                       std::to_string(most));
  }
  for (const auto& [key, known] : pools_) {
    const auto other = known.lock();
    if (!other || other->name != pool.name || other->needed.empty()) continue;
    if (other->device.has_value() == pool.device.has_value()) continue;
    return invalid_arg("Resource \"" + pool.name +
                       "\" is present as both global and device-specific resource in the model "
                       "configuration.");
  }
  return {};
}

}  // namespace penstock
