// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "request/request_pool.h"

#include <algorithm>

namespace penstock {

RequestPool::RequestPool(std::uint32_t max_slots)
    : max_slots_(std::max<std::uint32_t>(max_slots, 1)),
      free_(max_slots_),
      blocks_((max_slots_ + kBlockSlots - 1) / kBlockSlots) {
  owned_.reserve(blocks_.size());
}

Request* RequestPool::acquire() {
  Request* request = nullptr;
  if (!free_.try_pop(request)) request = grow();
  if (request == nullptr) return nullptr;
  // relaxed: a statistic; pairs with nothing
  acquired_.fetch_add(1, std::memory_order_relaxed);
  request->set_state(RequestState::kFilling);
  return request;
}

Request* RequestPool::grow() {
  std::lock_guard lock(grow_mutex_);
  Request* request = nullptr;
  if (free_.try_pop(request)) return request;  // somebody grew, or released, meanwhile
  if (made_ == max_slots_) return nullptr;
  const std::uint32_t count = std::min(kBlockSlots, max_slots_ - made_);
  auto block = std::make_unique<Request[]>(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    block[i].index_ = made_ + i;
    block[i].reset();
  }
  // release: pairs with the acquire load in cancel(), which may see this block's slots at once
  blocks_[made_ / kBlockSlots].store(block.get(), std::memory_order_release);
  made_ += count;
  for (std::uint32_t i = 1; i < count; ++i) (void)free_.try_push(&block[i]);
  owned_.push_back(std::move(block));
  return &owned_.back()[0];
}

void RequestPool::release(Request* request) {
  // relaxed: the owner alone moves the generation; cancel() only compares it
  request->generation_.fetch_add(1, std::memory_order_relaxed);
  request->reset();
  request->set_state(RequestState::kFree);
  released_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
  (void)free_.try_push(request);  // cannot be full: there are no more slots than places
}

bool RequestPool::cancel(RequestHandle handle) {
  if (handle.index >= max_slots_) return false;
  // acquire: pairs with the release store in grow()
  Request* block = blocks_[handle.index / kBlockSlots].load(std::memory_order_acquire);
  if (block == nullptr) return false;
  Request& request = block[handle.index % kBlockSlots];
  // relaxed: a slot that moves on meanwhile is safe, the mark carries the generation it is for
  if (request.generation_.load(std::memory_order_relaxed) != handle.generation) return false;
  request.mark_cancelled(handle.generation);
  return true;
}

std::uint64_t RequestPool::acquired() const {
  return acquired_.load(std::memory_order_relaxed);  // relaxed: a statistic
}

std::uint64_t RequestPool::released() const {
  return released_.load(std::memory_order_relaxed);  // relaxed: a statistic
}

}  // namespace penstock
