// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Block, BlockTable: the headers of a pool's buffers, by number. Headers stay where they are until
// the table goes, as the lock-free free lists need; there are as many as blocks were ever alive at
// once.
//
// Thread safety: every method from any thread. Ownership: the table owns the headers, not the data.
// add() takes a lock and may allocate; looking up is lock-free.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>

#include "penstock/buffer.h"
#include "sync/cache_line.h"
#include "sync/tagged_stack.h"

namespace penstock {

// Apart from the data: that may be memory which the processor cannot reach, and an overrun of it
// cannot reach the header. A line each: the counts of two blocks do not disturb each other.
struct alignas(kCacheLine) Block final : Buffer {
  std::uint32_t number = 0;
  std::atomic<std::uint32_t> link{0};  // to the next in a TaggedStack
};
static_assert(sizeof(Block) == kCacheLine);

// `Header`: Block, or a stand-in with a number; `Atom`, `Mutex`: as in SlotPool.
template <typename Header, template <typename> class Atom = std::atomic,
          typename Mutex = std::mutex>
class BasicBlockTable {
 public:
  BasicBlockTable() = default;
  BasicBlockTable(const BasicBlockTable&) = delete;
  BasicBlockTable& operator=(const BasicBlockTable&) = delete;
  ~BasicBlockTable() {
    for (auto& slab : slabs_) delete[] slab.load(std::memory_order_relaxed);  // alone by now
  }

  [[nodiscard]] Header& operator[](std::uint32_t number) noexcept {
    const std::uint64_t position = std::uint64_t{number} + kFirstSlab;
    const auto slab = static_cast<std::size_t>(std::bit_width(position) - 1 - kFirstSlabShift);
    // relaxed: whoever has the number got it from someone who had seen the slab
    return slabs_[slab].load(std::memory_order_relaxed)[position - (kFirstSlab << slab)];
  }

  // A new header; nullptr when there is no memory for it.
  [[nodiscard]] Header* add() noexcept {
    const std::lock_guard lock(mutex_);
    if (size_ == TaggedStack<Atom>::kNone) return nullptr;
    const std::uint64_t position = std::uint64_t{size_} + kFirstSlab;
    if (std::has_single_bit(position)) {  // the first of a slab, which is as long as `position`
      auto* const blocks = new (std::nothrow) Header[position];
      if (blocks == nullptr) return nullptr;
      // relaxed: see operator[]
      slabs_[std::countr_zero(position) - kFirstSlabShift].store(blocks, std::memory_order_relaxed);
    }
    Header& header = (*this)[size_];
    header.number = size_++;
    return &header;
  }

 private:
  // Slab i holds kFirstSlab << i headers, so 2^32 of them fit in a short, fixed directory.
  static constexpr int kFirstSlabShift = 6;
  static constexpr std::uint64_t kFirstSlab = std::uint64_t{1} << kFirstSlabShift;

  std::array<Atom<Header*>, 33 - kFirstSlabShift> slabs_{};
  Mutex mutex_;
  std::uint32_t size_ = 0;  // under mutex_
};

using BlockTable = BasicBlockTable<Block>;

}  // namespace penstock
