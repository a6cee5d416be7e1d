// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "worker/arena_allocator.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace penstock::worker {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t round_up(std::size_t size, std::size_t step) { return (size + step - 1) / step * step; }

ArenaOptions in_pages(ArenaOptions options) {
  options.growth_bytes = round_up(std::max<std::size_t>(options.growth_bytes, 1), kPageBytes);
  return options;
}

}  // namespace

ArenaAllocator::ArenaAllocator(std::shared_ptr<SharedMemory> memory, bool to_server,
                               ArenaOptions options)
    : memory_(std::move(memory)),
      base_(memory_->arena(to_server)),
      size_bytes_(memory_->arena_bytes()),
      options_(in_pages(options)),
      free_{{0, size_bytes_}} {
  std::lock_guard lock(mutex_);
  (void)reach(std::min(options_.initial_bytes, size_bytes_));  // else allocate() tells
}

std::size_t ArenaAllocator::grown_to(std::size_t end) const {
  return std::min(round_up(end, options_.growth_bytes), size_bytes_);
}

bool ArenaAllocator::reach(std::size_t end) {
  if (end <= committed_) return true;
  const std::size_t wanted = grown_to(end);
  if (!memory_->commit(base_ + committed_, wanted - committed_)) return false;
  committed_ = wanted;
  return true;
}

void* ArenaAllocator::allocate(std::size_t size_bytes) {
  if (size_bytes > size_bytes_) return nullptr;
  const std::size_t size = round_up(std::max<std::size_t>(size_bytes, 1), kAlignment);
  std::lock_guard lock(mutex_);
  for (auto at = free_.begin(); at != free_.end(); ++at) {
    const auto [offset, room] = *at;
    if (room < size) continue;
    if (!reach(offset + size)) return nullptr;
    free_.erase(at);
    if (room > size) free_.emplace(offset + size, room - size);
    return base_ + offset;
  }
  return nullptr;
}

void ArenaAllocator::deallocate(void* memory, std::size_t size_bytes) noexcept {
  if (memory == nullptr) return;
  auto offset = static_cast<std::size_t>(static_cast<std::byte*>(memory) - base_);
  std::size_t size = round_up(std::max<std::size_t>(size_bytes, 1), kAlignment);
  std::lock_guard lock(mutex_);
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + size == next->first) {
    size += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      before->second += size;
      return shrink();
    }
  }
  free_.emplace_hint(next, offset, size);
  shrink();
}

void ArenaAllocator::shrink() noexcept {
  const auto& [offset, size] = *free_.rbegin();
  if (offset + size != size_bytes_) return;
  const std::size_t kept = std::max(grown_to(offset), grown_to(options_.initial_bytes));
  if (kept >= committed_) return;
  memory_->discard(base_ + kept, committed_ - kept);
  committed_ = kept;
}

std::size_t ArenaAllocator::committed_bytes() const {
  std::lock_guard lock(mutex_);
  return committed_;
}

}  // namespace penstock::worker
