// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "core/model_table.h"

#include <algorithm>
#include <utility>

namespace penstock {
namespace {

struct CachedSnapshot {
  std::uint64_t table_id = 0;
  std::uint64_t epoch = 0;
  std::shared_ptr<const ModelSnapshot> snapshot;
};

std::uint64_t next_table_id() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1);
}

std::string unknown_model(std::string_view name) {
  return "Request for unknown model: '" + std::string(name) + "' ";
}

}  // namespace

ModelTable::ModelTable()
    : id_(next_table_id()), snapshot_(std::make_shared<const ModelSnapshot>()) {}

const ModelSnapshot& ModelTable::current() const {
  thread_local CachedSnapshot cache;
  // acquire: pairs with the release in change(); a thread that was told of a change (the load call
  // returned) sees it
  const std::uint64_t epoch = epoch_.load(std::memory_order_acquire);
  if (cache.table_id != id_ || cache.epoch != epoch) {
    // Let go of behind the lock: the last one to know a version ends its threads.
    const auto old = std::exchange(cache.snapshot, nullptr);
    std::lock_guard lock(mutex_);
    cache.snapshot = snapshot_;
    cache.epoch = epoch_.load(std::memory_order_relaxed);  // relaxed: changes only under mutex_
    cache.table_id = id_;
  }
  return *cache.snapshot;
}

void ModelTable::change(const std::function<void(ModelSnapshot&)>& edit) {
  std::shared_ptr<const ModelSnapshot> old;  // let go of behind the lock, as in current()
  std::lock_guard lock(mutex_);
  auto next = std::make_shared<ModelSnapshot>(*snapshot_);
  edit(*next);
  old = std::exchange(snapshot_, std::move(next));
  epoch_.fetch_add(1, std::memory_order_release);  // pairs with the acquire in current()
}

void ModelTable::publish(const std::string& name, ModelEntry entry) {
  auto shared = std::make_shared<const ModelEntry>(std::move(entry));
  change([&](ModelSnapshot& snapshot) { snapshot[name] = std::move(shared); });
}

void ModelTable::forget(const std::string& name) {
  change([&](ModelSnapshot& snapshot) { snapshot.erase(name); });
}

Result<std::shared_ptr<ServedModel>> ModelTable::find(std::string_view name,
                                                      std::int64_t version) const {
  const ModelSnapshot& snapshot = current();
  const auto entry = snapshot.find(name);
  if (entry == snapshot.end()) return invalid_arg(unknown_model(name) + "is not found");
  const ModelEntry::Versions& versions = entry->second->versions;
  if (!entry->second->refusal.ok()) return entry->second->refusal;
  if (version < 0) {
    for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
      if (it->second) return it->second;
    }
    return not_found(unknown_model(name) + "has no available versions");
  }
  const auto it = versions.find(version);
  const std::string_view found = it == versions.end() ? "is not found" : "is not at ready state";
  if (it != versions.end() && it->second) return it->second;
  std::string text =
      unknown_model(name) + "version " + std::to_string(version) + " " + std::string(found);
  return it == versions.end() ? not_found(std::move(text)) : unavailable(std::move(text));
}

bool ModelTable::awaits_demand(std::string_view name) const {
  const ModelSnapshot& snapshot = current();
  const auto entry = snapshot.find(name);
  if (entry == snapshot.end() || !entry->second->on_demand) return false;
  const ModelEntry::Versions& versions = entry->second->versions;
  return std::none_of(versions.begin(), versions.end(), [](const auto& v) { return v.second; });
}

std::vector<std::shared_ptr<ServedModel>> ModelTable::all() const {
  std::shared_ptr<const ModelSnapshot> snapshot;
  {
    // Not the thread's own: an engine may end behind the thread's variables.
    std::lock_guard lock(mutex_);
    snapshot = snapshot_;
  }
  std::vector<std::shared_ptr<ServedModel>> models;
  for (const auto& [name, entry] : *snapshot) {
    for (const auto& [version, model] : entry->versions) {
      if (model) models.push_back(model);
    }
  }
  return models;
}

}  // namespace penstock
