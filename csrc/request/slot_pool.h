// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// SlotPool: objects that are made in blocks as load asks for them, up to a bound, and reused for
// ever after.
//
// Thread safety: all methods, any thread. Ownership: the pool owns the slots; one between acquire
// and release belongs to its owner. Only growing (a new block) takes a lock and allocates.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "sync/tagged_stack.h"

namespace penstock {

// `Atom`: as in MpmcRing; `Mutex` likewise.
template <typename T, template <typename> class Atom = std::atomic, typename Mutex = std::mutex>
class SlotPool {
 public:
  explicit SlotPool(std::uint32_t max_slots)
      : max_slots_(std::max<std::uint32_t>(max_slots, 1)),
        blocks_((max_slots_ + kBlockSlots - 1) / kBlockSlots) {
    owned_.reserve(blocks_.size());
  }
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  // nullptr when all are taken. `made` is called with each new slot and its index.
  template <typename Made>
  [[nodiscard]] T* acquire(Made made) {
    T* slot = pop_free();
    return slot != nullptr ? slot : grow(made);
  }
  void release(T* value) { push_free(static_cast<Slot*>(value)->index); }
  // The slot of that index; nullptr when none was made yet.
  [[nodiscard]] T* find(std::uint32_t index) const {
    if (index >= max_slots_) return nullptr;
    // acquire: pairs with the release store in grow()
    Slot* block = blocks_[index / kBlockSlots].load(std::memory_order_acquire);
    return block == nullptr ? nullptr : &block[index % kBlockSlots];
  }

 private:
  static constexpr std::uint32_t kBlockSlots = 64;
  struct Slot : T {
    std::uint32_t index = 0;
    Atom<std::uint32_t> link{0};  // to the next free one
  };

  [[nodiscard]] Slot& slot(std::uint32_t index) const { return *static_cast<Slot*>(find(index)); }
  [[nodiscard]] T* pop_free() {
    const auto index = free_.pop([this](std::uint32_t i) -> auto& { return slot(i).link; });
    return index == TaggedStack<Atom>::kNone ? nullptr : &slot(index);
  }
  void push_free(std::uint32_t index) {
    free_.push(
        index, [this](std::uint32_t i) -> auto& { return slot(i).link; });
  }

  template <typename Made>
  T* grow(Made made) {
    std::lock_guard lock(grow_mutex_);
    if (T* slot = pop_free()) return slot;  // somebody grew, or released, meanwhile
    if (made_ == max_slots_) return nullptr;
    const std::uint32_t first = made_;
    const std::uint32_t count = std::min(kBlockSlots, max_slots_ - first);
    auto block = std::make_unique<Slot[]>(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      block[i].index = first + i;
      made(block[i], first + i);
    }
    // release: pairs with the acquire load in find()
    blocks_[first / kBlockSlots].store(block.get(), std::memory_order_release);
    made_ += count;
    owned_.push_back(std::move(block));
    for (std::uint32_t i = 1; i < count; ++i) push_free(first + i);
    return &owned_.back()[0];
  }

  const std::uint32_t max_slots_;
  // A stack, not a ring: one thread stopped in the middle of a release must not make the pool look
  // empty to the others.
  TaggedStack<Atom> free_;
  Mutex grow_mutex_;
  std::vector<Atom<Slot*>> blocks_;             // sized once; an entry is set once
  std::vector<std::unique_ptr<Slot[]>> owned_;  // under grow_mutex_
  std::uint32_t made_ = 0;                      // under grow_mutex_
};

}  // namespace penstock
