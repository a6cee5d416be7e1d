// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/shared_regions.h"

#include <cstring>
#include <limits>

namespace penstock {
namespace {

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

const char* kind_name(RegionKind kind) { return kind == RegionKind::kCuda ? "cuda" : "system"; }

// As SHM-4 writes it where a region is of another kind.
const char* long_name(RegionKind kind) {
  return kind == RegionKind::kCuda ? "CUDA shared memory" : "system shared memory";
}

Status other_kind(RegionKind asked, const RegionInfo& info) {
  return not_found("The region named " + quoted(info.name) + " is registered as " +
                   long_name(info.kind) + ", not " + long_name(asked));
}

}  // namespace

Status SharedRegions::check_new_locked(std::string_view name) const {
  if (regions_.find(name) == regions_.end()) return {};
  return {Code::kAlreadyExists, "shared memory region " + quoted(name) + " already in manager"};
}

Status SharedRegions::check_new(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return check_new_locked(name);
}

Status SharedRegions::add(RegionInfo info, BufferLease memory) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_RETURN_IF_ERROR(check_new_locked(info.name));
  std::string name = info.name;
  regions_.emplace(std::move(name), Region{std::move(info), std::move(memory)});
  return {};
}

Status SharedRegions::remove(RegionKind kind, std::string_view name) {
  BufferLease last;  // let go without the lock
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found == regions_.end()) return {};
  if (found->second.info.kind != kind) return other_kind(kind, found->second.info);
  last = std::move(found->second.memory);
  regions_.erase(found);
  return {};
}

void SharedRegions::remove_all(RegionKind kind) {
  std::vector<BufferLease> last;  // let go without the lock
  const std::lock_guard lock(mutex_);
  for (auto region = regions_.begin(); region != regions_.end();) {
    if (region->second.info.kind == kind) {
      last.push_back(std::move(region->second.memory));
      region = regions_.erase(region);
    } else {
      ++region;
    }
  }
}

Result<std::vector<RegionInfo>> SharedRegions::list(RegionKind kind, std::string_view name) const {
  std::vector<RegionInfo> infos;
  const std::lock_guard lock(mutex_);
  if (name.empty()) {
    for (const auto& [_, region] : regions_) {
      if (region.info.kind == kind) infos.push_back(region.info);
    }
    return infos;
  }
  const auto found = regions_.find(name);
  if (found == regions_.end()) {
    return not_found(std::string("Unable to find ") + kind_name(kind) +
                     " shared memory region: " + quoted(name));
  }
  if (found->second.info.kind != kind) return other_kind(kind, found->second.info);
  infos.push_back(found->second.info);
  return infos;
}

Result<RegionWindow> SharedRegions::window(std::string_view name, std::uint64_t offset,
                                           std::uint64_t size_bytes) const {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found == regions_.end()) {
    return not_found("Unable to find shared memory region: " + quoted(name));
  }
  const std::uint64_t whole = found->second.info.size_bytes;
  if (offset >= whole) {
    return invalid_arg("Invalid offset for shared memory region: " + quoted(name));
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  if (size_bytes > kMost - offset) {
    return invalid_arg("Integer overflow detected: byte_size (" + std::to_string(size_bytes) +
                       ") + offset (" + std::to_string(offset) + ") exceeds maximum value (" +
                       std::to_string(kMost) + ") for region " + quoted(name));
  }
  if (size_bytes + offset > whole) {
    return invalid_arg("Invalid offset + byte size for shared memory region: " + quoted(name));
  }
  const BufferLease& memory = found->second.memory;
  return RegionWindow{memory, memory->data + offset, size_bytes};
}

Status SharedRegions::copy(std::int32_t device, void* to, const void* from,
                           std::size_t size_bytes) const {
  if (cuda_ != nullptr) return cuda_->copy(device, to, from, size_bytes);
  return unsupported("memory of GPU " + std::to_string(device) + " cannot be reached");
}

Status SharedRegions::read(const RegionWindow& window, std::byte* to) const {
  if (window.size_bytes == 0) return {};
  if (window.lease->memory == MemoryKind::kGpu) {
    return copy(window.lease->device, to, window.data, window.size_bytes);
  }
  std::memcpy(to, window.data, window.size_bytes);
  return {};
}

Status SharedRegions::write(const RegionWindow& window, const std::byte* from,
                            std::size_t size_bytes) const {
  if (size_bytes == 0) return {};
  if (window.lease->memory == MemoryKind::kGpu) {
    return copy(window.lease->device, window.data, from, size_bytes);
  }
  std::memcpy(window.data, from, size_bytes);
  return {};
}

}  // namespace penstock
