// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ModelTable: which versions a name stands for, read by every request, changed by the control
// plane.
//
// Each change makes a new immutable snapshot. A reading thread keeps the snapshot it saw last and
// looks only at an epoch counter, so that readers share no lock and write nothing. Thread safety:
// all methods, any thread. Ownership: snapshots are shared; an idle thread may keep an old one, and
// with it the (stopped, emptied) versions in it, until it reads again. Nothing blocks but writers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "penstock/status.h"

namespace penstock {

class ServedModel;

struct ModelEntry {
  using Versions = std::map<std::int64_t, std::shared_ptr<ServedModel>>;
  Versions versions;       // null: known, not ready
  Status refusal;          // not OK: what everybody is told who asks for it
  bool on_demand = false;  // while no version is ready, who asks for it may wait for one
};

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept {
    return std::hash<std::string_view>()(name);
  }
};
// Hashed, and the entries shared between snapshots: a request's name is found at once among a
// thousand, and a change copies no versions.
using ModelSnapshot =
    std::unordered_map<std::string, std::shared_ptr<const ModelEntry>, NameHash, std::equal_to<>>;

class ModelTable {
 public:
  ModelTable();
  void publish(const std::string& name, ModelEntry entry);
  void forget(const std::string& name);
  // version < 0: the latest that is ready. Errors: contract H-23.
  [[nodiscard]] Result<std::shared_ptr<ServedModel>> find(std::string_view name,
                                                          std::int64_t version) const;
  // No version of it is ready, and it is loaded when somebody asks for it.
  [[nodiscard]] bool awaits_demand(std::string_view name) const;
  // Every version in the table now.
  [[nodiscard]] std::vector<std::shared_ptr<ServedModel>> all() const;

 private:
  [[nodiscard]] const ModelSnapshot& current() const;
  void change(const std::function<void(ModelSnapshot&)>& edit);

  const std::uint64_t id_;  // tells this table's cached snapshots from another's
  std::atomic<std::uint64_t> epoch_{1};
  mutable std::mutex mutex_;
  std::shared_ptr<const ModelSnapshot> snapshot_;  // under mutex_
};

}  // namespace penstock
