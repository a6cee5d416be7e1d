// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "request/request_pool.h"

#include <algorithm>

namespace penstock {

RequestPool::RequestPool(std::uint32_t max_slots)
    : max_slots_(std::max<std::uint32_t>(max_slots, 1)),
      blocks_((max_slots_ + kBlockSlots - 1) / kBlockSlots) {
  owned_.reserve(blocks_.size());
}

RequestPool::Slot& RequestPool::slot(std::uint32_t index) const {
  // acquire: pairs with the release store in grow()
  return blocks_[index / kBlockSlots].load(std::memory_order_acquire)[index % kBlockSlots];
}

Request* RequestPool::pop_free() {
  const auto index =
      free_.pop([this](std::uint32_t i) -> std::atomic<std::uint32_t>& { return slot(i).link; });
  return index == TaggedStack<>::kNone ? nullptr : &slot(index).request;
}

void RequestPool::push_free(std::uint32_t index) {
  free_.push(index,
             [this](std::uint32_t i) -> std::atomic<std::uint32_t>& { return slot(i).link; });
}

Request* RequestPool::acquire() {
  Request* request = pop_free();
  if (request == nullptr) request = grow();
  if (request == nullptr) return nullptr;
  // relaxed: a statistic; pairs with nothing
  acquired_.fetch_add(1, std::memory_order_relaxed);
  request->set_state(RequestState::kFilling);
  return request;
}

Request* RequestPool::grow() {
  std::lock_guard lock(grow_mutex_);
  if (Request* request = pop_free()) return request;  // somebody grew, or released, meanwhile
  if (made_ == max_slots_) return nullptr;
  const std::uint32_t first = made_;
  const std::uint32_t count = std::min(kBlockSlots, max_slots_ - first);
  auto block = std::make_unique<Slot[]>(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    block[i].request.index_ = first + i;
    block[i].request.reset();
  }
  // release: pairs with the acquire load in slot()
  blocks_[first / kBlockSlots].store(block.get(), std::memory_order_release);
  made_ += count;
  owned_.push_back(std::move(block));
  for (std::uint32_t i = 1; i < count; ++i) push_free(first + i);
  return &owned_.back()[0].request;
}

void RequestPool::release(Request* request) {
  // relaxed: the owner alone moves the generation; cancel() only compares it
  request->generation_.fetch_add(1, std::memory_order_relaxed);
  request->reset();
  request->set_state(RequestState::kFree);
  released_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
  push_free(request->index_);
}

bool RequestPool::cancel(RequestHandle handle) {
  if (handle.index >= max_slots_) return false;
  // acquire: pairs with the release store in grow()
  if (blocks_[handle.index / kBlockSlots].load(std::memory_order_acquire) == nullptr) return false;
  Request& request = slot(handle.index).request;
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
